/** Records that are registered as they should be and go wrong at work, each in the way that a setting names. */
import { defineReader, registerReader } from '@polygate/datasets';
import { registerModel } from '@polygate/generalist';
import { registerModality } from '@polygate/modalities';
import { conditionNamed, registerCondition } from '@polygate/routers';
import { registerTaskFamily } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { toyVerdict } from './toy-family.mjs';
import { series, toySeries } from './toy-modality.mjs';
import { toyPooled } from './toy-model.mjs';

const fault = z.string().default('none');
const same = (value) => value;

/** An image of its place. */
const sampleOf = (at, more = {}) => {
  const pixels = new Uint8Array(64).map((_, i) => (at % 2) * 120 + ((i * (at + 3)) % 97));
  const image = { kind: 'pixels', pixels, height: 8, width: 8, channels: 1 };
  return { kind: 'sample', id: `s${at}`, image, label: at % 2, ...more };
};
function* samples(count, change = () => ({})) {
  for (let at = 0; at < count; at += 1) yield sampleOf(at, change(at));
}
/** Times that the source was read. */
let passes = 0;
/** Most samples that an endless reader gives where nobody stops it. */
const ENDLESS = 100_000;
const readings = {
  none: () => samples(40),
  endless: () => samples(ENDLESS),
  duplicates: () => samples(40, () => ({ id: 'same' })),
  'bad-label': () => samples(40, (at) => (at === 7 ? { label: 2 } : {})),
  shrinks: () => samples(40 - 10 * passes),
  *shuffles() {
    for (let at = 0; at < 40; at += 1) yield sampleOf((at * [1, 3, 7, 9][passes % 4]) % 40);
  },
  async *throws() {
    yield sampleOf(0);
    yield undefined.sample;
  },
  async *stuck() {
    yield sampleOf(0);
    await new Promise(() => {});
  },
};
registerReader(
  defineReader({
    name: 'unruly-images',
    summary: 'made-up images, read in a way that goes wrong',
    needs: 'nothing',
    settings: { fault },
    kinds: ['labelled-image'],
    paths: {},
    async open({ fault: name }) {
      passes = 0;
      const kind =
        { 'no-kind': 'nothing-of-the-kind', 'other-kind': 'labelled-series' }[name] ?? 'labelled-image';
      const read = () => {
        passes += 1;
        return (readings[name] ?? readings.none)();
      };
      return { kind, reader: { name: 'unruly', classes: ['dark', 'light'], read } };
    },
  }),
);

const embeddings = {
  wide: (tokens) => tf.concat([tokens, tokens], 2),
  short: (tokens) => tf.slice(tokens, [0, 0, 0], [-1, tokens.shape[1] - 1, -1]),
  disposed: (tokens) => {
    tokens.dispose();
    return tokens;
  },
  whole: (tokens) => tf.cast(tokens, 'int32'),
};
const MODALITY = 'unruly-series';
registerModality({
  ...series,
  name: MODALITY,
  resolve: ({ fault: name = 'none', ...settings }, width) => ({
    ...series.resolve(settings, width),
    fault: name,
  }),
  embed: (segments, context) => (embeddings[context.settings.fault] ?? same)(series.embed(segments, context)),
});
registerTaskFamily({
  ...toySeries,
  name: 'unruly-walks',
  predict: undefined,
  segments: toySeries.segments.map((each) =>
    each.modality === 'series' ? { ...each, modality: MODALITY } : each,
  ),
  create(name, settings, context) {
    const task = toySeries.create(name, settings, context);
    const facts = { family: 'unruly-walks', temperature: 'unruly-walks' };
    const collate = (...given) => {
      const { inputs, ...batch } = task.collate(...given);
      const segments = inputs.segments.map((each) => ({ ...each, modality: MODALITY }));
      return { ...batch, ...facts, inputs: { ...inputs, segments } };
    };
    return { ...task, ...facts, collate };
  },
});

const batches = {
  'more-inputs': ({ inputs, ...batch }) => ({ ...batch, inputs: { ...inputs, size: inputs.size + 1 } }),
  'half-rows': ({ inputs, labels, ...batch }) => ({
    ...batch,
    inputs: { ...inputs, size: 2 },
    labels: labels.subarray(0, 2),
  }),
  'far-labels': (batch) => ({ ...batch, labels: batch.labels.map(() => 7) }),
  'few-ids': ({ targets, ...batch }) => ({ ...batch, targets: { ...targets, ids: targets.ids.subarray(1) } }),
  promise: (batch) => Promise.resolve(batch),
};
registerTaskFamily({
  ...toyVerdict,
  name: 'unruly-verdict',
  settings: { ...toyVerdict.settings, fault },
  predict: undefined,
  create(name, settings, context) {
    const task = toyVerdict.create(name, settings, context);
    const facts = { family: 'unruly-verdict', temperature: 'unruly-verdict' };
    const collate = (...given) => (batches[settings.fault] ?? same)({ ...task.collate(...given), ...facts });
    return { ...task, ...facts, collate };
  },
});

const models = {
  'lost-state': ({ extraState }) => ({
    extraState: {
      save: () => extraState.save(),
      restore: async () => {
        throw new TypeError('no way back');
      },
    },
  }),
  'nan-weights': () => ({ weights: () => ({ loss: NaN }) }),
  'constant-loss': () => ({ loss: () => ({ loss: tf.scalar(1), weight: 1, metrics: {}, records: [] }) }),
};
registerModel({
  ...toyPooled,
  name: 'unruly-pooled',
  settings: { ...toyPooled.settings, fault },
  config: { ...toyPooled.config, fault },
  configure: ({ fault: name, ...settings }, data) => ({
    ...toyPooled.configure(settings, data),
    fault: name,
  }),
  create(config, parts) {
    const model = toyPooled.create(config, parts);
    return Object.assign(model, models[config.fault]?.(model));
  },
});

const changed = (change) => (condition) => ({
  represent: (...given) => {
    const { values, backward } = condition.represent(...given);
    return { values, backward, ...change({ values, backward }) };
  },
});
const conditions = {
  'nan-width': ['modality', () => ({ representationWidth: () => NaN })],
  'nan-cost': ['token', () => ({ flops: () => ({ decision: NaN }) })],
  'no-key': ['modality', () => ({ keyOf: () => undefined })],
  'short-values': ['modality', changed(({ values }) => ({ values: values.subarray(1) }))],
  'no-backward': ['modality', changed(() => ({ backward: undefined }))],
  'short-backward': [
    'modality',
    changed(({ backward }) => ({
      backward: (gradient) => backward(gradient).map((each) => each.subarray(1)),
    })),
  ],
};
for (const [name, [of, change]] of Object.entries(conditions)) {
  registerCondition({
    name: `unruly-${name}`,
    summary: 'a condition that goes wrong',
    create(context) {
      const condition = conditionNamed(of).create(context);
      return { ...condition, name: `unruly-${name}`, ...change(condition) };
    },
  });
}
