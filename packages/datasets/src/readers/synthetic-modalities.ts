/** Made-up samples of many modalities as a source: see synthetic/modality-patterns.ts. */
import { ConfigError } from '@polygate/core';
import type { StoredInput } from '@polygate/stream';
import { z } from 'zod';
import { formOfModality, inputName, modalityOfName } from '../multimodal/input-names.ts';
import type { ReaderItem } from '../samples/sample.ts';
import { createPatternSampler } from '../synthetic/modality-patterns.ts';
import { defineReader } from './dataset-reader.ts';
import { countSetting, textSetting } from './reader-settings.ts';

const MAX_ROWS = 1e7;
const MAX_SIDE = 4096;
const share = z.number().min(0).max(1);
const rows = z.number().int().min(0).max(MAX_ROWS);

const input = z.strictObject({
  /** @default as the name of the input says */
  modality: textSetting.optional(),
  /** Axes of an array, such as steps and features. */
  shape: z.array(countSetting(MAX_SIDE)).min(1).max(3),
  /** Patterns of a class: how hard the modality is. */
  prototypes: countSetting(MAX_SIDE).default(1),
  /** Deviation of the noise, where a pattern has 0.7. @default that of all inputs */
  noise: z.number().min(0).max(100).optional(),
});

const storedOf = (name: string, { modality, shape }: z.output<typeof input>): StoredInput => {
  const modalityName = modality ?? modalityOfName(name, shape.length + 1);
  const stored = { modality: modalityName, form: formOfModality(modalityName), shape };
  if (modalityName !== 'table') return stored;
  const count = shape.reduce((product, side) => product * side, 1);
  const columns = Array.from({ length: count }, (_, at) => ({
    name: `column-${at}`,
    kind: 'number' as const,
  }));
  return { ...stored, columns };
};

export const syntheticModalitiesReader = defineReader({
  name: 'synthetic-modalities',
  summary: 'made-up samples of many modalities, with dials for conflict, complexity, size and noise',
  needs: 'no path: its samples are made up by a seed',
  settings: {
    /** Inputs by name, which says the modality where nothing else does. */
    inputs: z.record(inputName.schema, input),
    classes: countSetting(1000).default(4),
    /** Share of the classes whose patterns contradict each other between modalities. */
    conflict: share.default(0),
    noise: z.number().min(0).max(100).default(0.3),
    /** Share of samples that lack an input. */
    missing: z.number().min(0).max(0.95).default(0),
    /** Samples of each split. */
    train: rows.default(1024),
    validation: rows.default(256),
    test: rows.default(256),
    seed: z.number().int().min(0).default(1),
  },
  kinds: ['multimodal-classes'],
  paths: {},
  open(settings, { key }) {
    const { inputs, classes, train, validation, test, seed, conflict, noise, missing } = settings;
    if (Object.keys(inputs).length === 0) {
      throw new ConfigError(
        `sources.${key}.inputs: expected one input or more, such as { "force": { "shape": [16, 4] } }, got none`,
        { code: 'no-inputs', fields: { source: key } },
      );
    }
    const given = Object.fromEntries(
      Object.entries(inputs).map(([name, { noise: inputNoise, shape, prototypes }]) => [
        name,
        { shape, prototypes, ...(inputNoise === undefined ? {} : { noise: inputNoise }) },
      ]),
    );
    const sample = createPatternSampler({ inputs: given, classes, conflict, noise, missing, seed });
    const counts = Object.entries({ train, validation, test }).filter(([, count]) => count > 0);
    const stored = Object.fromEntries(
      Object.entries(inputs).map(([name, each]) => [name, storedOf(name, each)]),
    );
    return Promise.resolve({
      kind: 'multimodal-classes',
      settings: { inputs: stored },
      classesGiven: true,
      reader: {
        name: key,
        classes: Array.from({ length: classes }, (_, label) => `class ${label}`),
        splits: counts.map(([split]) => split),
        async *read(): AsyncGenerator<ReaderItem> {
          for (const [split, count] of counts) {
            for (let index = 0; index < count; index += 1) {
              const { label, values } = sample(split, index);
              await Promise.resolve();
              yield {
                kind: 'sample',
                id: `${split}/${index}`,
                split,
                label,
                contents: Object.fromEntries(
                  Object.entries(values).map(([name, numbers]) => [
                    name,
                    { kind: 'values' as const, values: numbers, shape: inputs[name]?.shape ?? [] },
                  ]),
                ),
              };
            }
          }
        },
      },
    });
  },
});
