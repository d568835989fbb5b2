/** Names of inputs, and what they say of the modality where nothing else does. */
import { z } from 'zod';

/** Words of names by the modality that they mean. */
const words: Readonly<Record<string, string>> = {
  image: 'visual',
  images: 'visual',
  visual: 'visual',
  rgb: 'visual',
  text: 'text',
  series: 'time-series',
  timeseries: 'time-series',
  time: 'time-series',
  table: 'table',
  static: 'table',
  set: 'set',
  audio: 'audio',
  spectrogram: 'audio',
  force: 'force',
  forces: 'force',
  proprio: 'proprioception',
  proprioception: 'proprioception',
  control: 'control',
  action: 'control',
  depth: 'depth',
};

const knownModality = (name: string): string | undefined =>
  name
    .toLowerCase()
    .split(/[^a-z]+/u)
    .map((word) => (Object.hasOwn(words, word) ? words[word] : undefined))
    .find((modality) => modality !== undefined);

/** Columns of rows beside those of inputs. */
const RESERVED: ReadonlySet<string> = new Set([
  'id',
  'label',
  'labels',
  'targets',
  'missing',
  'split',
  'concept',
]);

const schema = z
  .string()
  .regex(/^[a-z][a-z0-9-]*$/u, 'expected a name of lower-case letters, digits and "-"')
  .refine((name) => !RESERVED.has(name), 'expected a name that no column of rows has, such as id or label');

/** The name of an input for an array or a column of a name. */
export const inputName = Object.assign(
  (array: string): string => {
    const name = array
      .replace(/([a-z])([A-Z])/gu, '$1-$2')
      .toLowerCase()
      .replace(/[^a-z0-9]+/gu, '-')
      .replace(/^[^a-z]+|-+$/gu, '');
    return name === '' || RESERVED.has(name) ? `input-${name || 'x'}` : name;
  },
  { schema },
);

/** The modality of an array by its name, else by its axes: a series of steps, or a table. @param axes the samples' own and theirs */
export const modalityOfName = Object.assign(
  (name: string, axes: number): string => knownModality(name) ?? (axes >= 3 ? 'time-series' : 'table'),
  { has: (name: string): boolean => knownModality(name) !== undefined },
);

/** Forms of modalities that are no arrays of numbers in rows. */
const forms: Readonly<Record<string, string>> = { visual: 'image', text: 'text' };

/** How inputs of a modality lie in rows. */
export const formOfModality = (modality: string): string => forms[modality] ?? 'values';
