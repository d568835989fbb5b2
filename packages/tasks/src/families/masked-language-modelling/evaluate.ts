/** Scores of masked language modelling on a split: accuracy at masked positions, perplexity over the whole vocabulary. */
import { createRandom } from '@polygate/core';
import {
  chanceTopK,
  labelLogProbabilities,
  labelRanks,
  perplexity,
  reportMean,
  topK,
  unigramBaseline,
  type ScoreReport,
} from '@polygate/evaluation';
import { listRow } from '@polygate/stream';
import { groupsOf, MOST_BASELINE_ROWS, type SplitContext } from '../../evaluation/context.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import { servedTask } from '../../serving.ts';
import { createMaskedLanguageModelling } from './collate.ts';

/** Words of the training split, for the unigram baseline; without end tokens, which are never masked. */
const trainingTokens = async (context: SplitContext): Promise<readonly number[]> => {
  if (!Object.hasOwn(context.dataset.splits, 'train')) return [];
  const shards = await context.data.shards(context.dataset.name, 'train');
  const { endoftext } = context.model.tokenizer.specials;
  const tokens: number[] = [];
  for await (const batch of splitBatches(shards, { limit: MOST_BASELINE_ROWS, seed: context.seed })) {
    for (let row = 0; row < batch.numRows; row += 1) {
      for (const id of listRow(batch, 'tokens', row)) if (id !== endoftext) tokens.push(id);
    }
  }
  return tokens;
};

export const evaluateLanguage = async (context: SplitContext): Promise<readonly ScoreReport[]> => {
  const { model, data, dataset, split, seed } = context;
  const { tokenizer, vocabulary } = model;
  const trained = servedTask(model, 'masked-language-modelling', { dataset: dataset.name });
  const serving = trained?.name;
  const { maximumTokens } = (trained?.settings ?? {}) as { readonly maximumTokens?: number };
  // What the model has no positions for is cut, as in training.
  const task = createMaskedLanguageModelling({ name: dataset.name, tokenizer, vocabulary, maximumTokens });
  const logps: number[] = [];
  const hits: number[] = [];
  const labels: number[] = [];
  const groups: string[] = [];
  const random = createRandom(seed).fork('masks');
  let number = 0;
  for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
    // The same words are masked whatever the model, so that models can be compared.
    const batch = task.collate(rows, { random: random.fork(number), training: false });
    number += 1;
    const scores = await model.scores(batch, { task: serving });
    logps.push(...labelLogProbabilities(scores, batch.labels));
    hits.push(...topK(labelRanks(scores, batch.labels), 1).perSample);
    labels.push(...batch.labels);
    const names = groupsOf(rows);
    const asked = typeof batch.queries === 'string' ? [] : batch.queries;
    for (const query of asked) groups.push(names[Math.floor(query / batch.inputs.length)] ?? '');
  }
  const training = await trainingTokens(context);
  const unigram =
    training.length > 0 ? unigramBaseline(training, labels, { size: tokenizer.size }) : undefined;
  const name = { task: `${dataset.name} masked tokens`, split };
  const bootstrap = { seed, groups };
  return [
    reportMean(
      {
        ...name,
        metric: 'accuracy',
        chance: chanceTopK({ k: 1, classes: tokenizer.size }),
        baselines: unigram ? { unigram: unigram.accuracy.value } : {},
      },
      hits,
      { ...bootstrap, range: [0, 1] },
    ),
    reportMean(
      {
        ...name,
        metric: 'perplexity',
        better: 'lower',
        chance: tokenizer.size,
        baselines: unigram ? { unigram: perplexity(unigram.logProbabilities) } : {},
      },
      logps,
      { ...bootstrap, range: [Number.NEGATIVE_INFINITY, 0], transform: (mean) => Math.exp(-mean) },
    ),
  ];
};
