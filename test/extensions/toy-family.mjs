/**
 * A task family of another package: whether an image shows one of some wanted classes, answered with yes or no.
 *
 * A recipe loads this file by `extensions: ["./toy-family.mjs"]`, a command by `--extension toy-family.mjs`. Everything that
 * the command line knows of the family is in the record below: its settings in recipes, how rows become batches, how it is
 * scored, and the verb `judge` of `polygate predict`.
 */
import { ConfigError, createRandom } from '@polygate/core';
import { chanceTopK, labelRanks, reportMean, topK } from '@polygate/evaluation';
import { imageSequences, resolveImageInput } from '@polygate/modalities';
import { values } from '@polygate/stream';
import {
  defineTask,
  defineTaskFamily,
  groupsOf,
  imagePatches,
  nameCandidates,
  registerTaskFamily,
  segmentRows,
  servedTask,
  softmaxRows,
  splitBatches,
} from '@polygate/tasks';
import { z } from 'zod';

const NAME = 'toy-verdict';
const ANSWERS = ['no', 'yes'];
const signature = { inputs: ['visual'], targets: ['text'] };

/** The two answers as candidates, encoded like class names. */
const answersOf = (tokenizer) => nameCandidates(NAME, ANSWERS, { tokenizer, row: segmentRows.name });

/** Label of each row: 1 where its class is wanted. */
const verdictsOf = (batch, classes, wanted) =>
  Int32Array.from(values(batch, 'label'), (label) => Number(wanted.includes(classes[Number(label)])));

const createVerdict = (name, settings, { dataset, tokenizer, image }) => {
  const { classes = [] } = dataset;
  const { wanted, lossWeight, labelSmoothing } = settings;
  const unknown = wanted.find((each) => !classes.includes(each));
  if (unknown !== undefined) {
    throw new ConfigError(
      `task "${name}": expected wanted classes of ${dataset.name}, got "${unknown}"; there are ${classes.join(', ')}`,
    );
  }
  const input = resolveImageInput(image);
  const candidates = answersOf(tokenizer).whole();
  return defineTask({ name, family: NAME, signature, lossWeight, labelSmoothing }, (batch) => ({
    inputs: imageSequences(imagePatches(batch, input), segmentRows.image),
    queries: 'prefix',
    labels: verdictsOf(batch, classes, wanted),
    targets: candidates,
    loss: 'cross-entropy',
  }));
};

/** Accuracy on a split; what is wanted is what the model was trained for. */
const evaluateVerdict = async ({ model, data, dataset, split, limit, seed, batchSize }) => {
  const trained = servedTask(model, NAME, { dataset: dataset.name });
  const { wanted } = trained.settings;
  const settings = { wanted, lossWeight: 1, labelSmoothing: 0 };
  const task = createVerdict(trained.name, settings, {
    dataset,
    tokenizer: model.tokenizer,
    image: model.image,
  });
  const right = [];
  const groups = [];
  for await (const rows of splitBatches(await data.shards(dataset.name, split), { limit, seed, batchSize })) {
    const batch = task.collate(rows, { random: createRandom(seed), training: false });
    const scores = await model.scores(batch, { task: trained.name });
    right.push(...topK(labelRanks(scores, batch.labels), 1).perSample);
    groups.push(...groupsOf(rows));
  }
  const chance = chanceTopK({ k: 1, classes: ANSWERS.length });
  return [
    reportMean({ task: `${dataset.name} verdict`, split, metric: 'accuracy', chance }, right, {
      seed,
      groups,
      range: [0, 1],
    }),
  ];
};

/** How sure a model is that images show what is wanted. */
const judge = async (model, images, task) => {
  const scores = await model.scores(
    {
      inputs: imageSequences(images, segmentRows.image),
      queries: 'prefix',
      targets: answersOf(model.tokenizer).whole(),
      temperature: NAME,
    },
    { task },
  );
  const shares = softmaxRows(scores, ANSWERS.length);
  return Array.from({ length: images.size }, (_, i) => [{ yes: shares[2 * i + 1] }]);
};

export const toyVerdict = defineTaskFamily({
  name: NAME,
  summary: 'whether an image shows one of some wanted classes',
  kind: 'labelled-image',
  settings: { wanted: z.array(z.string()).min(1) },
  defaults: { labelSmoothing: 0 },
  signature,
  segments: [
    { modality: 'visual', row: segmentRows.image },
    { modality: 'text', row: segmentRows.name },
  ],
  create: createVerdict,
  // What evaluation and predictions need again goes with the model.
  kept: ({ wanted }) => ({ wanted }),
  size: (_, { patches, imageValues }) => ({ positions: 1 + patches, values: imageValues }),
  evaluate: evaluateVerdict,
  // Below the report, and beside the images of the sheet.
  notes: ['Verdicts: chance is a coin.'],
  sheet: {
    label: 'verdict',
    async answers({ model, dataset }, batch) {
      const { name, settings } = servedTask(model, NAME, { dataset: dataset.name });
      const verdicts = verdictsOf(batch, dataset.classes, settings.wanted);
      const answers = await judge(model, imagePatches(batch, model.image), name);
      return answers.map(([{ yes }], row) => ({
        answer: ANSWERS[Number(yes > 0.5)],
        expected: ANSWERS[verdicts[row]],
      }));
    },
  },
  predict: {
    verb: 'judge',
    summary: 'whether images show what the model was trained to look for',
    input: 'images',
    key: 'verdicts',
    predict: (model, images, { task }) => judge(model, images, servedTask(model, NAME, { task })?.name),
    format: ([{ yes }]) => `${yes > 0.5 ? 'yes' : 'no'} (${yes.toFixed(2)})`,
  },
});

registerTaskFamily(toyVerdict);
