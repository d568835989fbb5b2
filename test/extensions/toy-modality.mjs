/**
 * A modality of another package, with all that data of it need: a reader (`series-lines`), a kind of dataset
 * (`labelled-series`), the modality itself (`series`: numbers, cut into windows of which each is a token), and a task
 * family over it (`toy-series`), which `predict name-series` asks about files of numbers.
 *
 * A recipe loads this file by `extensions: ["./toy-modality.mjs"]`; an encoder embeds the modality where its recipe names it:
 * `model: { modalities: { series: { window: 2 } } }`.
 *
 * B rows · N numbers of a row · L windows · W numbers of a window · D width
 */
import { attributeRow } from '@polygate/attributes';
import { ConfigError, createRandom, FormatError, StateError } from '@polygate/core';
import { batchRows, defineReader, fault, registerKind, registerReader } from '@polygate/datasets';
import { chanceTopK, labelRanks, reportMean, topK } from '@polygate/evaluation';
import { joinSegments, linearSpecs, refuseSegment, registerModality } from '@polygate/modalities';
import { values } from '@polygate/stream';
import {
  columnsOf,
  defineTask,
  defineTaskFamily,
  groupsOf,
  nameCandidates,
  registerTaskFamily,
  servedTask,
  softmaxRows,
  splitBatches,
  topIndices,
} from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';

const MODALITY = 'series';
const KIND = 'labelled-series';
const FAMILY = 'toy-series';
const WINDOW = 2;
const whole = (most) => z.number().int().min(1).max(most);
/** Numbers of a text, NaN for what is none. */
const numbersOf = (text) => Float32Array.from(text.trim().split(/\s+/u), (word) => Number(word || NaN));

/** Lines such as `rising: 0 1 2 3`. */
export const seriesLines = defineReader({
  name: 'series-lines',
  summary: 'lines of numbers, each behind the name of its class',
  needs: 'a .series file of lines such as `rising: 0 1 2 3`',
  settings: { file: z.string().min(1) },
  kinds: [KIND],
  paths: { file: 'all' },
  async open({ file }) {
    const text = await readFile(file, 'utf8');
    const lines = text.split('\n').filter((line) => line.includes(':'));
    const rows = lines.map((line) => line.split(':').map((part) => part.trim()));
    const classes = [...new Set(rows.map(([name]) => name))].sort();
    return {
      kind: KIND,
      reader: {
        name: basename(file),
        classes,
        async *read() {
          for (const [at, [name, numbers]] of rows.entries()) {
            const id = `line-${at}`;
            const series = numbersOf(numbers);
            if (!series.every(Number.isFinite)) {
              yield fault(id, 'not-a-number', `expected numbers, got ${numbers}`);
              continue;
            }
            const contents = { series: { kind: 'values', values: series, shape: [series.length] } };
            yield { kind: 'sample', id, contents, label: classes.indexOf(name) };
          }
        },
      },
    };
  },
  detect(survey) {
    const file = survey.files.find(({ extension }) => extension === '.series');
    return file && { fit: 'sure', reason: `series in ${file.id}`, sources: [{ file: survey.at(file.id) }] };
  },
});

/** Rows of equally many numbers with a class; short ones end in zeros. */
export const labelledSeries = Object.freeze({
  name: KIND,
  summary: 'rows of numbers with one class each',
  modalities: [MODALITY],
  hasClasses: true,
  needsTokenizer: false,
  section: { name: 'series', settings: { length: whole(4096).default(8) } },
  columns: ({ settings }) => ({
    id: 'utf8',
    series: { fixedList: 'float32', size: settings.length },
    label: 'int32',
  }),
  async *batches(samples, options) {
    async function* rows() {
      for await (const { id, contents, label } of samples) {
        const series = new Float32Array(options.settings.length);
        series.set(contents.series.values.subarray(0, series.length));
        yield { id, series, label };
      }
    }
    yield* batchRows(rows(), options);
  },
  synthetic: ({ rows, classes, random, settings }) => ({
    id: Array.from({ length: rows }, (_, row) => `row-${row}`),
    series: Float32Array.from({ length: rows * settings.length }, () => random.next()),
    label: Int32Array.from({ length: rows }, () => random.integer(classes.length)),
  }),
});

/** Each window of numbers is a token: a linear layer, and a vector by its place. */
export const series = Object.freeze({
  name: MODALITY,
  summary: 'numbers in windows, each a token',
  // A group of bits of its own in the attributes of tokens.
  attribute: MODALITY,
  columns: ({ length }) => ({ series: { fixedList: 'float32', size: length } }),
  read(columns, { window }, { row }) {
    const numbers = Float32Array.from(columns.fixed('series'), Number);
    const length = numbers.length / columns.size / window;
    if (!Number.isInteger(length)) {
      throw new ConfigError(
        `series: expected rows of a multiple of ${window} numbers, got ${numbers.length / columns.size}; prepare them with another series.length`,
      );
    }
    return { segment: { modality: MODALITY, arrays: { numbers }, length, layout: { window }, row } };
  },
  tokens: ({ length, window }) => length / window,
  values: ({ length }) => length,
  synthetic: (random, { length }, rows) => ({
    series: Float32Array.from({ length: rows * length }, () => random.next()),
  }),
  resolve: (settings) =>
    z.strictObject({ window: whole(256).default(WINDOW), windows: whole(4096).default(64) }).parse(settings),
  parameters: ({ window, windows }, width) => [
    ...linearSpecs('embedding.series', [width, window]),
    {
      name: 'embedding.series.place',
      shape: [windows, width],
      initializer: { kind: 'normal', std: 0.02 },
      role: 'embedding',
    },
  ],
  operations: ({ window }, width) => 2 * window * width,
  check({ arrays, length, layout }, { settings: { window, windows }, size, label }) {
    if (layout.window !== window) refuseSegment(label, `windows of ${window} numbers`, `${layout.window}`);
    if (length > windows) refuseSegment(label, `at most ${windows} windows`, `${length}`);
    const wanted = size * length * window;
    if (arrays.numbers.length !== wanted)
      refuseSegment(label, `${wanted} numbers`, `${arrays.numbers.length}`);
  },
  embed(segments, { size, width, parameter }) {
    const each = segments.map(({ arrays, length, layout }) => {
      const windows = tf.tensor2d(arrays.numbers, [size * length, layout.window]);
      const tokens = tf.matMul(windows, parameter('embedding.series.weight'), false, true);
      const places = tf.slice(parameter('embedding.series.place'), [0, 0], [length, width]);
      return tf.add(tokens, parameter('embedding.series.bias')).reshape([size, length, width]).add(places);
    });
    return each.length === 1 ? each[0] : tf.concat(each, 1);
  },
});

const signature = { inputs: [MODALITY], targets: ['text'] };
/** Attributes of the two kinds of segments. */
const inputRow = attributeRow(signature, { modality: MODALITY, causal: false, source: 'input' });
const nameRow = attributeRow(signature, { modality: 'text', causal: false, source: 'target' });

const createTask = (name, { window, lossWeight, labelSmoothing }, { dataset, tokenizer }) => {
  const names = dataset.classes ?? [];
  const candidates = nameCandidates(`${FAMILY}:${name}`, names, { tokenizer, row: nameRow }).whole();
  return defineTask({ name, family: FAMILY, signature, lossWeight, labelSmoothing }, (batch) => ({
    inputs: joinSegments(batch.numRows, [series.read(columnsOf(batch), { window }, { row: inputRow })]),
    queries: 'prefix',
    labels: Int32Array.from(values(batch, 'label'), Number),
    targets: candidates,
    loss: 'cross-entropy',
  }));
};

/** `polygate predict name-series FILE --run RUN`: the class of each file of numbers. */
const seriesPredictor = {
  verb: 'name-series',
  summary: 'classes of files of numbers, likeliest first',
  input: 'files',
  argument: 'file',
  key: 'classes',
  async predict(model, path, options) {
    const trained = servedTask(model, FAMILY, options);
    if (!trained) throw new ConfigError(`name-series: expected a model with a task of ${FAMILY}, got none`);
    const text = await readFile(path, 'utf8').catch((cause) => {
      throw new StateError(`${path}: expected a file of numbers, got none that can be read`, { cause });
    });
    const given = numbersOf(text);
    const { window, length } = trained.settings;
    if (!given.every(Number.isFinite) || given.length > length) {
      throw new FormatError(`${path}: expected at most ${length} numbers, got ${text.trim().slice(0, 40)}`);
    }
    // Short rows end in zeros, as in data that are prepared.
    const numbers = new Float32Array(length);
    numbers.set(given);
    const { segment } = series.read({ size: 1, fixed: () => numbers }, { window }, { row: inputRow });
    const { classes, name: task } = trained;
    const names = nameCandidates('classes', classes, { tokenizer: model.tokenizer, row: nameRow });
    const batch = { inputs: joinSegments(1, [{ segment }]), queries: 'prefix', targets: names.whole() };
    const probabilities = softmaxRows(
      await model.scores({ ...batch, temperature: FAMILY }, { task }),
      classes.length,
    );
    return topIndices(probabilities, classes.length).map((at) => ({
      name: classes[at],
      probability: probabilities[at],
    }));
  },
  format: (answers) =>
    answers.map(({ name, probability }) => `${probability.toFixed(3)}  ${name}`).join('\n'),
};

export const toySeries = defineTaskFamily({
  name: FAMILY,
  summary: 'the class of a row of numbers',
  kind: KIND,
  settings: { window: whole(256).default(WINDOW) },
  defaults: { labelSmoothing: 0 },
  signature,
  segments: [
    { modality: MODALITY, row: inputRow, label: 'series' },
    { modality: 'text', row: nameRow },
  ],
  keepsClasses: true,
  kept: ({ window }, { settings }) => ({ window, length: settings.length }),
  create: createTask,
  size: ({ window }, { textLength }) => ({ positions: 1 + textLength / window, values: textLength }),
  async evaluate({ model, data, dataset, split, limit, seed, batchSize }) {
    const trained = servedTask(model, FAMILY, { dataset: dataset.name });
    const settings = { ...trained.settings, lossWeight: 1, labelSmoothing: 0 };
    const task = createTask(trained.name, settings, { dataset, tokenizer: model.tokenizer });
    const right = [];
    const groups = [];
    for await (const rows of splitBatches(await data.shards(dataset.name, split), {
      limit,
      seed,
      batchSize,
    })) {
      const batch = task.collate(rows, { random: createRandom(seed), training: false });
      right.push(
        ...topK(labelRanks(await model.scores(batch, { task: trained.name }), batch.labels), 1).perSample,
      );
      groups.push(...groupsOf(rows));
    }
    const chance = chanceTopK({ k: 1, classes: dataset.classes.length });
    const name = { task: `${dataset.name} series`, split, metric: 'top-1', chance };
    return [reportMean(name, right, { seed, groups, range: [0, 1] })];
  },
  predict: seriesPredictor,
});

registerReader(seriesLines);
registerKind(labelledSeries);
registerModality(series);
registerTaskFamily(toySeries);
