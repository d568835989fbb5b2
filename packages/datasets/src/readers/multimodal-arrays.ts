import { basename } from 'node:path';
import { ConfigError, excerpt, FormatError, resolveBudgets, type Budgets } from '@polygate/core';
import type { StoredInput } from '@polygate/stream';
import { z } from 'zod';
import type { ArrayHeader, ArraySource } from '../arrays/array-data.ts';
import { ARRAY_EXTENSIONS, arraysOf, PICKLES, refusePickles } from '../arrays/array-files.ts';
import { expandFiles, inputsOfFiles } from '../files/file-patterns.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import {
  askedTargets,
  multimodalReader,
  type ArrayPart,
  type AskedForm,
  type MultimodalSource,
} from '../multimodal/array-samples.ts';
import { formOfModality, inputName, modalityOfName } from '../multimodal/input-names.ts';
import { knownSplit } from '../splits/split-names.ts';
import { someOf } from '../survey/split-sources.ts';
import { defineReader, type ReaderFit } from './dataset-reader.ts';
import { classesSetting, linksSetting, namesSetting, textSetting } from './reader-settings.ts';

const labelWords: ReadonlySet<string> = new Set([
  'y',
  'label',
  'labels',
  'target',
  'targets',
  'class',
  'classes',
]);

/** Arrays that are offered for the one of labels. */
const MAX_ASKS = 3;

/** Most axes of an array whose name says no modality: samples of a series, or of a row. */
const MOST_AXES = 3;

/** An input of a recipe: its modality, or that and the name of its array. */
export type InputSetting = string | { readonly modality: string; readonly array?: string | undefined };

export interface MultimodalArraysOptions extends LinkOptions {
  /** Files of arrays, folders and patterns. */
  readonly files: string | readonly string[];
  /** Inputs by name. @default every array but that of the labels, its modality by its name and shape */
  readonly inputs?: Readonly<Record<string, InputSetting>> | undefined;
  /** Array of what is asked. @default y, label, labels, target, targets, class or classes */
  readonly label?: string | undefined;
  /** What is asked. @default by the array of labels */
  readonly asked?: AskedForm | undefined;
  readonly classes?: readonly string[] | undefined;
  /** Names of the numbers that are asked. @default target-0, target-1, ... */
  readonly outputs?: readonly string[] | undefined;
  /** Whether names such as `train_force` and `test/labels` say the splits. @default true */
  readonly splitsByName?: boolean;
  readonly budgets?: Partial<Budgets>;
}

/** An array's name without the split in it. */
const partedName = (array: string): { readonly name: string; readonly split: string } => {
  const words = array.split(/[\s_./-]+/u).filter((word) => word !== '');
  const splits = words.flatMap((word) => knownSplit(word.toLowerCase()) ?? []);
  if (splits.length !== 1) return { name: array, split: '' };
  return {
    name: words.filter((word) => knownSplit(word.toLowerCase()) === undefined).join('-'),
    split: splits[0] ?? '',
  };
};

const headerOf = async (source: ArraySource): Promise<ArrayHeader> => {
  await using pass = await source.open();
  return { shape: pass.shape, type: pass.type, littleEndian: pass.littleEndian };
};

/** Arrays of each split by their names without it. */
type Grouped = ReadonlyMap<string, ReadonlyMap<string, ArraySource>>;

const groupsOf = (arrays: ReadonlyMap<string, ArraySource>, byName: boolean): Grouped => {
  const groups = new Map<string, Map<string, ArraySource>>();
  for (const [array, source] of arrays) {
    const { name, split } = byName ? partedName(array) : { name: array, split: '' };
    const group = groups.get(split) ?? new Map<string, ArraySource>();
    group.set(name, source);
    groups.set(split, group);
  }
  return groups;
};

/** The shape of a sample of an array: a column of one axis where items are single numbers. */
const storedOf = ({ shape }: ArrayHeader, modality: string): StoredInput => {
  const sides = shape.slice(1);
  const form = formOfModality(modality);
  if (modality !== 'table')
    return { modality, form, ...(form === 'image' ? {} : { shape: sides.length === 0 ? [1] : sides }) };
  const count = sides.reduce((product, side) => product * side, 1);
  const columns = Array.from({ length: count }, (_, at) => ({
    name: `column-${at}`,
    kind: 'number' as const,
  }));
  return { modality, form, shape: sides.length === 0 ? [1] : sides, columns };
};

/** @throws ConfigError for names that no array has */
const chosenInputs = async (
  group: ReadonlyMap<string, ArraySource>,
  { inputs, label }: MultimodalArraysOptions & { readonly label: string },
): Promise<readonly (readonly [string, StoredInput, string])[]> => {
  const others = [...group.keys()].filter((name) => name !== label);
  const named = inputs
    ? Object.entries(inputs).map(([name, given]): [string, string | undefined, string] =>
        typeof given === 'string' ? [name, given, name] : [name, given.modality, given.array ?? name],
      )
    : others.map((array): [string, string | undefined, string] => [inputName(array), undefined, array]);
  const chosen: (readonly [string, StoredInput, string])[] = [];
  for (const [name, modality, array] of named) {
    const source = group.get(array);
    if (!source) {
      throw new ConfigError(
        `multimodal arrays: expected an array "${array}" for the input "${name}", got ${[...group.keys()].join(', ')}; correct inputs.${name}`,
        { code: 'array-names', fields: { input: name } },
      );
    }
    const header = await headerOf(source);
    chosen.push([name, storedOf(header, modality ?? modalityOfName(name, header.shape.length)), array]);
  }
  return chosen;
};

/**
 * Reads arrays of several inputs with what is asked of their rows, as benchmarks of many modalities have them: arrays of
 * NumPy whose first axis counts samples. NaN is a number that is missing. Pickles are refused.
 * @throws ConfigError for names that are not there; FormatError for damaged files, and arrays of different lengths
 */
const openMultimodalArrays = async (options: MultimodalArraysOptions): Promise<MultimodalSource> => {
  refusePickles(options.files);
  const matched = await expandFiles(options.files, {
    ...options,
    what: 'multimodal arrays',
    extensions: ARRAY_EXTENSIONS,
  });
  const arrays = await arraysOf(
    matched.map(({ path }) => path),
    resolveBudgets(options.budgets),
  );
  const groups = groupsOf(arrays, options.splitsByName ?? true);
  const parts: ArrayPart[] = [];
  let stored: Readonly<Record<string, StoredInput>> | undefined;
  for (const [split, group] of groups) {
    const label = options.label ?? [...group.keys()].find((name) => labelWords.has(name.toLowerCase()));
    const labels = label === undefined ? undefined : group.get(label);
    if (label === undefined || !labels) {
      throw new ConfigError(
        `multimodal arrays: expected an array of labels${split === '' ? '' : ` of ${split}`} such as labels or y, got ${excerpt([...group.keys()])}; set label to the one that is asked`,
        { code: 'array-names', fields: { split } },
      );
    }
    const chosen = await chosenInputs(group, { ...options, label });
    // The first split says what inputs look like; rows of another shape are faults.
    stored ??= Object.fromEntries(chosen.map(([name, input]) => [name, input]));
    parts.push({
      ...(split === '' ? {} : { split }),
      labels,
      inputs: chosen.map(([name, , array]) => [name, group.get(array) as ArraySource] as const),
    });
  }
  const asked = await askedTargets(parts, options);
  return multimodalReader({ name: basename(String(options.files)), parts, stored: stored ?? {}, asked });
};

/** How arrays at a path are taken; undefined where nothing says that they are inputs with labels. */
const fitOfArrays = async (
  arrays: ReadonlyMap<string, ArraySource>,
  files: string,
): Promise<ReaderFit | undefined> => {
  const byName = new Map([...arrays].map(([array, source]) => [partedName(array).name, source]));
  const names = [...byName.keys()];
  const label = names.find((name) => labelWords.has(name.toLowerCase()));
  const inputs = names.filter((name) => name !== label);
  const isNamed = inputs.some((name) => modalityOfName.has(name));
  const told: string[] = [];
  // Labels have one number for each sample, as a rule.
  const single: string[] = [];
  const samples = new Set<number | undefined>();
  let isPlain = true;
  for (const name of inputs) {
    const { shape } = await headerOf(byName.get(name) as ArraySource);
    samples.add(shape[0]);
    if (shape.length === 1) single.push(name);
    told.push(`${name} as ${modalityOfName(name, shape.length)} (${shape.join(', ')})`);
    isPlain &&= modalityOfName.has(name) || (shape.length > 1 && shape.length <= MOST_AXES);
  }
  const areSamples = inputs.length > 1 && samples.size === 1 && single.length > 0;
  if (inputs.length === 0 || (label === undefined && !isNamed && !areSamples)) return undefined;
  const shown = `arrays ${someOf(told, 6)}`;
  const sources = [{ files }];
  if (label === undefined)
    return {
      fit: 'nearly',
      reason: `${shown}, none of them called as those of labels are (${[...labelWords].join(', ')})`,
      sources,
      asks: (single.length > 0 ? single : inputs.filter((name) => !modalityOfName.has(name)))
        .slice(0, MAX_ASKS)
        .map((name) => `label=${name}`),
    };
  // Images with labels are also those of numpy-arrays, which is surer of them.
  return isNamed || isPlain
    ? { fit: 'likely', reason: `${shown}, with labels in ${label}; inputs says other modalities`, sources }
    : { fit: 'nearly', reason: `${shown}, with labels in ${label}, but their modality is doubtful`, sources };
};

export const multimodalArraysReader = defineReader({
  name: 'multimodal-arrays',
  summary: 'arrays (.npz, .npy) of one or several inputs with labels or numbers, as MultiBench has them',
  needs: 'arrays whose first axis counts samples, one for each input, and one of labels',
  settings: {
    /** A file, a folder, a pattern, or a list of these. */
    files: z.union([textSetting, z.array(textSetting).min(1)]),
    /** Inputs by name: a modality such as `time-series`, or `{ modality, array }`. */
    inputs: z
      .record(
        inputName.schema,
        z.union([textSetting, z.strictObject({ modality: textSetting, array: textSetting.optional() })]),
      )
      .optional(),
    label: textSetting.optional(),
    /** What is asked: one class, several labels, or numbers. */
    asked: z.enum(['class', 'labels', 'numbers']).optional(),
    classes: classesSetting,
    outputs: namesSetting.min(1).optional(),
    links: linksSetting,
  },
  kinds: ['multimodal-classes', 'multimodal-labels', 'multimodal-numbers'],
  paths: { files: 'all' },
  inputs: ({ files }) => inputsOfFiles(files),
  async open(settings, { within, budgets }) {
    const {
      reader,
      kind,
      settings: datasetSettings,
    } = await openMultimodalArrays({
      ...settings,
      within,
      budgets,
      splitsByName: settings.split === undefined,
    });
    return { reader, kind, settings: datasetSettings, classesGiven: settings.classes !== undefined };
  },
  async detect(survey) {
    const pickle = survey.files.find(({ extension }) => PICKLES.includes(extension));
    const files = survey.files.filter(({ extension }) => ARRAY_EXTENSIONS.includes(extension));
    if (files.length === 0)
      return (
        pickle && {
          fit: 'nearly',
          reason: `${pickle.id} is a pickle, which can run any program when it is loaded, and is not read; save its arrays with np.savez`,
        }
      );
    try {
      const arrays = await arraysOf(
        files.map(({ id }) => survey.at(id)),
        resolveBudgets(),
      );
      return await fitOfArrays(arrays, survey.at());
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof FormatError)) throw error;
      return { fit: 'nearly', reason: error.message };
    }
  },
});
