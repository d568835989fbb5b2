/** Records that are registered as they should be and misbehave when they are used, each by the fault that its settings name. */
import { registerModel } from '@polygate/generalist';
import { registerTaskFamily } from '@polygate/tasks';
import { z } from 'zod';
import { toyVerdict } from './toy-family.mjs';
import { toyPooled } from './toy-model.mjs';

const fault = z.string().default('none');

/** What is put in place of a method of the toy model. */
const faults = {
  'nan-scores': (model) => ({ scores: async (...given) => (await model.scores(...given)).fill(Number.NaN) }),
  'infinite-scores': (model) => ({
    scores: async (...given) => (await model.scores(...given)).fill(Infinity),
  }),
  'few-scores': (model) => ({ scores: async (...given) => (await model.scores(...given)).subarray(1) }),
  'big-state': () => ({ extraState: { save: () => ({ pace: 10n }), restore: () => undefined } }),
  'nan-state': () => ({ extraState: { save: () => ({ pace: Number.NaN }), restore: () => undefined } }),
  'throws-at-restore': ({ extraState }) => ({
    extraState: {
      save: () => extraState.save(),
      restore: () => {
        throw new TypeError('cannot restore');
      },
    },
  }),
  'number-metric': (model) => ({
    loss: (...given) => ({ ...model.loss(...given), metrics: { accuracy: 1 } }),
  }),
  none: () => ({}),
};

export const faultyPooled = registerModel({
  ...toyPooled,
  name: 'faulty-pooled',
  settings: { ...toyPooled.settings, fault },
  config: { ...toyPooled.config, fault },
  configure: ({ fault: name, ...settings }, data) => ({
    ...toyPooled.configure(settings, data),
    fault: name,
  }),
  size: (config) =>
    config.fault === 'nan-size' ? { ...toyPooled.size(config), parameters: NaN } : toyPooled.size(config),
  create(config, parts) {
    const model = toyPooled.create(config, parts);
    const bound = new Proxy(model, {
      get: (_, key) => (typeof model[key] === 'function' ? model[key].bind(model) : model[key]),
    });
    return Object.assign(
      model,
      (faults[config.fault] ?? faults.none)({ ...model, scores: bound.scores, loss: bound.loss }),
    );
  },
});

export const faultyVerdict = registerTaskFamily({
  ...toyVerdict,
  name: 'faulty-verdict',
  settings: { ...toyVerdict.settings, fault },
  predict: undefined,
  create: (name, settings, context) => {
    if (settings.fault === 'throws') return settings.nothing.at(0);
    const task = toyVerdict.create(name, settings, context);
    if (settings.fault === 'other-temperature') return task;
    const facts = { family: 'faulty-verdict', temperature: 'faulty-verdict' };
    return {
      ...task,
      ...facts,
      collate: (...given) => {
        const batch = { ...task.collate(...given), ...facts };
        return settings.fault === 'few-labels' ? { ...batch, labels: batch.labels.subarray(1) } : batch;
      },
    };
  },
  size: (settings, input) => (settings.fault === 'size' ? 7 : toyVerdict.size(settings, input)),
  kept: (settings) =>
    settings.fault === 'kept' ? { big: 10n } : { wanted: settings.wanted, fault: settings.fault },
  evaluate: async ({ model }) =>
    model.tasks.some(({ settings }) => settings?.fault === 'half')
      ? [{ task: 'x', split: 'test' }]
      : undefined,
});
