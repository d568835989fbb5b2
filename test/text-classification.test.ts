/** Labelled texts through the command line: prepared from a table, trained in cloze form, scored and asked. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from './polygate.ts';

const subjects = ['film', 'book', 'song', 'play', 'story', 'game'];
const judgements = { '1': ['great', 'lovely', 'superb', 'fine'], '0': ['awful', 'dull', 'poor', 'weak'] };

/** Sentences whose class is that of their adjective. */
const rows = (pairs: boolean): readonly string[] =>
  Object.entries(judgements).flatMap(([label, words]) =>
    words.flatMap((word) =>
      subjects.map(
        (subject) => `the ${subject} was ${word}.\t${pairs ? `it is a ${subject}.\t` : ''}${label}`,
      ),
    ),
  );

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-text-classification-'));
  await writeFile(join(scratch, 'reviews.tsv'), ['sentence\tlabel', ...rows(false)].join('\n'));
  await writeFile(join(scratch, 'pairs.tsv'), ['first\tsecond\tlabel', ...rows(true)].join('\n'));
  const source = {
    source: 'labelled-tsv',
    labelColumn: 'label',
    labels: ['0', '1'],
    classes: ['negative', 'positive'],
  };
  await writeFile(
    join(scratch, 'prepare.json'),
    JSON.stringify({
      name: 'texts',
      tokenizer: { vocabularySize: 400 },
      text: { length: 16 },
      sources: {
        reviews: {
          ...source,
          file: join(scratch, 'reviews.tsv'),
          textColumns: ['sentence'],
          testPercent: 20,
        },
        pairs: {
          ...source,
          file: join(scratch, 'pairs.tsv'),
          textColumns: ['first', 'second'],
          testPercent: 20,
        },
      },
    }),
  );
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const trainFile = async (name: string, tasks: object): Promise<string> => {
  const file = join(scratch, `${name}.json`);
  const recipe = {
    name,
    suite: join(scratch, 'data', 'texts'),
    model: {
      preset: 'mini-moe',
      layers: 1,
      width: 24,
      heads: 2,
      hidden: 48,
      maxPositions: 32,
      layerScale: 1,
      moe: { experts: 2, topK: 1 },
    },
    tasks,
    optimizer: { learningRate: 5e-3 },
    steps: '120 steps',
    engine: 'wasm',
    seed: 3,
    validation: { every: '100%' },
  };
  await writeFile(file, JSON.stringify(recipe));
  return file;
};

const reviews = {
  family: 'text-classification',
  dataset: 'reviews',
  batchSize: 16,
  pattern: '{a}{end} it was ___ .',
  words: { negative: 'awful', positive: 'great' },
};
const pairs = { family: 'text-classification', dataset: 'pairs', batchSize: 16 };

describe('text classification in cloze form', () => {
  it('trains on prepared tables, and beats chance and the majority', { timeout: 240_000 }, async () => {
    const prepared = await polygate(
      'prepare',
      '--recipe',
      join(scratch, 'prepare.json'),
      '--out',
      join(scratch, 'data'),
    );
    expect(prepared.log).toContain('prepared');
    const run = join(scratch, 'run');
    const trained = await polygate(
      'pretrain',
      '--recipe',
      await trainFile('cloze', { reviews, pairs }),
      '--run',
      run,
    );
    expect(trained.log).toContain('finished at step 120');
    const config = JSON.parse(
      await readFile(join(run, 'checkpoints', 'step-120', 'config.json'), 'utf8'),
    ) as {
      readonly tasks: readonly object[];
    };
    expect(config.tasks[0]).toEqual({
      name: 'reviews',
      family: 'text-classification',
      dataset: 'reviews',
      classes: ['negative', 'positive'],
      settings: { maximumTokens: 32, pattern: reviews.pattern, words: reviews.words },
    });
    const evaluated = await polygate(
      'evaluate',
      '--run',
      run,
      '--splits',
      'test',
      '--json',
      '--engine',
      'wasm',
    );
    const { scores } = JSON.parse(evaluated.out) as {
      readonly scores: readonly {
        readonly task: string;
        readonly metric: string;
        readonly value: number;
        readonly chance: number;
        readonly baselines?: Readonly<Record<string, number>>;
      }[];
    };
    for (const dataset of ['reviews', 'pairs']) {
      const taskScores = scores.filter(({ task }) => task === `${dataset} text classification`);
      expect(taskScores.map(({ metric }) => metric)).toEqual(['accuracy', 'macro-F1']);
      const [accuracy] = taskScores;
      expect(accuracy?.chance).toBe(0.5);
      expect(Object.keys(accuracy?.baselines ?? {}).sort()).toEqual(['majority', 'naiveBayes']);
      expect(accuracy?.value).toBeGreaterThan(Math.max(0.85, accuracy?.baselines?.['majority'] ?? 1));
    }
    const ask = async (...argv: string[]) => {
      const { out } = await polygate(
        'predict',
        'classify-text',
        ...argv,
        '--run',
        run,
        '--json',
        '--engine',
        'wasm',
      );
      return out
        .split('\n')
        .map((line) => (JSON.parse(line) as { labels: { label: string }[] }).labels[0]?.label);
    };
    expect(await ask('the play was superb.', 'the book was dull.')).toEqual(['positive', 'negative']);
    expect(await ask('the film was weak.', '--pair', 'it is a film.', '--task', 'pairs')).toEqual([
      'negative',
    ]);
    expect(await ask('the film was weak.', '--pair', 'it is a film.')).toEqual(['negative']);
    expect(await ask('the film was lovely.', '--labels', 'awful,great')).toEqual(['great']);
    const refused = async (...argv: string[]) =>
      (await polygate('predict', 'classify-text', ...argv, '--run', run, '--engine', 'wasm')).log;
    expect(await refused('the film was weak.', '--task', 'pairs')).toContain(
      'classify-text: expected pairs of texts, as the task "pairs" has them, got one text; give the second one (--pair), or ask by a pattern of your own',
    );
    expect(await refused('the film was weak.', '--pair', 'it is a film.', '--task', 'reviews')).toContain(
      'classify-text: expected single texts, as the task "reviews" has them, got a pair; leave the second one (--pair) out, or name a task of pairs, or ask by a pattern of your own',
    );
    const probed = await polygate(
      'evaluate',
      '--probe',
      '--run',
      run,
      '--splits',
      'test',
      '--json',
      '--engine',
      'wasm',
    );
    const probes = JSON.parse(probed.out) as { readonly scores: typeof scores };
    expect(probes.scores.map(({ task, metric }) => `${task}, ${metric}`)).toEqual([
      'reviews probe, linear probe top-1',
      'reviews probe, 20-NN top-1',
      'pairs probe, linear probe top-1',
      'pairs probe, 20-NN top-1',
    ]);
    expect(probes.scores[0]?.value).toBeGreaterThan(0.85);
  });

  it('says what is wrong with words and patterns', async () => {
    const refused = async (task: object) =>
      (
        await polygate(
          'pretrain',
          '--recipe',
          await trainFile('bad', { task }),
          '--run',
          join(scratch, 'bad'),
        )
      ).log;
    expect(await refused({ ...reviews, words: { neutral: 'so' } })).toContain(
      'task "task": expected words of its classes negative, positive, got one of "neutral"',
    );
    expect(await refused({ ...reviews, words: { negative: 'so', positive: 'so' } })).toContain(
      'expected words that differ, got "so" twice',
    );
    expect(await refused({ ...reviews, pattern: '{a} is good' })).toContain('expected one blank ___, got 0');
    expect(await refused({ ...reviews, pattern: '{a} ___ {b}' })).toContain('got a pattern for pairs');
    expect(await refused({ ...pairs, maskRate: 0.3 })).toContain('unknown recipe key "tasks.task.maskRate"');
  });
});
