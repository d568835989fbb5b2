/**
 * What modalities share whose tokens are vectors of numbers: rows of lists of numbers become tokens by a layout of the
 * modality's own, and a linear layer for each input embeds them, with fixed positions where their order means something.
 * A row without a number lacks the input: all of its tokens are padding.
 *
 * B rows · L tokens · W values of a token · D width
 */
import { ConfigError, excerpt, ShapeError, type Random } from '@polygate/core';
import type { ParameterSpec } from '@polygate/nn';
import { linear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { BatchColumns } from '../columns.ts';
import type { EmbeddingContext, Modality, ReadOptions } from '../modality.ts';
import { linearSpecs } from '../parameter-specs.ts';
import { gridCoordinates } from '../raw-tokens.ts';
import { refuseSegment } from '../segment-checks.ts';
import type { SegmentRows } from '../segment.ts';
import { check, checkFields, checkKeys, checkWhole } from '../setting-checks.ts';
import type { StoredInput } from '@polygate/stream';
import type { InputContext } from '../input-context.ts';
import { MODALITY_LIMITS } from '../limits.ts';
import type { TokenLayout } from './token-layout.ts';
import { tokenPositions } from './token-positions.ts';
import type { VectorSegment } from './vector-segment.ts';

/** An input of vectors, as a task keeps it with its model. Plain JSON. */
export interface VectorInput {
  /** Column of a list of numbers in each row, and name of the input. */
  readonly name: string;
  readonly stored: StoredInput;
  /** Sides of a token's patch, where the modality has patches. */
  readonly patch?: readonly number[];
}

/** An input that is embedded. */
export interface EmbeddedInput {
  readonly name: string;
  /** W */
  readonly width: number;
}

/** Settings of a modality of vectors in an encoder. */
export interface VectorSettings {
  /** Inputs with a projection of their own each. */
  readonly inputs: readonly EmbeddedInput[];
}

/** What modalities of vectors differ in. */
export interface VectorFacts {
  readonly name: string;
  readonly summary: string;
  /** Axes that tokens lie on: 1 or 2. */
  readonly axes: 1 | 2;
  /** Whether the order of tokens means something: then positions are added. */
  readonly isOrdered: boolean;
  /** Sides of a patch where nothing is said. @default the modality has no patches */
  readonly patch?: readonly number[];
  /** @throws ConfigError for an input that it can't read */
  layout(input: VectorInput): TokenLayout;
}

/** Tokens that a first sight of an input without statistics counts. */
const UNSEEN_STEPS = 16;

/** Numbers of a sample: the longest that training has. */
const numbersOf = ({ stored: { shape = [], columns, longest = UNSEEN_STEPS } }: VectorInput): number =>
  columns ? columns.length : shape.reduce<number>((product, side) => product * (side ?? longest), 1);

/** Numbers of a step of the first axis. */
export const featuresOf = ({ stored: { shape = [] } }: VectorInput): number =>
  shape.slice(1).reduce<number>((product, side) => product * (side ?? 1), 1);

const patchOf = (
  { name: modality, patch }: Pick<VectorFacts, 'name' | 'patch'>,
  { name, settings }: InputContext,
): Pick<VectorInput, 'patch'> => {
  const { patch: given, ...others } = settings;
  const sides = given === undefined ? patch : Array.isArray(given) ? (given as readonly unknown[]) : [given];
  const isPatch = sides?.every((side) => Number.isSafeInteger(side) && Number(side) > 0) ?? true;
  const [other] = Object.keys(others);
  if (isPatch && sides?.length === patch?.length && other === undefined)
    return sides ? { patch: sides as readonly number[] } : {};
  const expected = patch
    ? `"patch" of ${patch.length === 1 ? 'a whole number above 0' : `[${patch.join(', ')}] or other whole numbers above 0`}`
    : 'no settings';
  throw new ConfigError(
    `input "${name}": expected ${expected} for ${modality}, got ${excerpt(settings)}; correct inputs.${name} of the task`,
    { code: 'input-settings', fields: { input: name } },
  );
};

const keyOf = (modality: string, { name, width }: EmbeddedInput): string =>
  `embedding.${modality}.${name}-${width}`;

/** @throws ShapeError for a row of another length than the input's samples */
const readVectors = (
  { name: modality, layout }: VectorFacts,
  columns: BatchColumns,
  { input, options }: { readonly input: VectorInput; readonly options: ReadOptions },
): SegmentRows<VectorSegment> => {
  const { name, stored } = input;
  const { count, write, width, columns: across } = layout(input);
  const { size } = columns;
  const rows = Array.from({ length: size }, (_, row) => columns.list(name, row));
  const counts = rows.map((numbers, row) => {
    const tokens = count(numbers.length);
    if (tokens !== undefined) return tokens;
    throw new ShapeError(
      `input "${name}": expected numbers of the shape ${excerpt(stored.shape ?? stored.columns?.length)} for ${modality}, got ${numbers.length} in row ${row} of a batch; prepare the data again, or take a model of theirs`,
      { fields: { input: name } },
    );
  });
  // A batch in which nobody has the input still has a token of it, which nobody sees.
  const length = counts.reduce((most, tokens) => Math.max(most, tokens), 1);
  const tokens = new Float32Array(size * length * width);
  const padding = new Uint8Array(size * length).fill(1);
  rows.forEach((numbers, row) => {
    for (let token = 0; token < (counts[row] ?? 0); token += 1) {
      const at = row * length + token;
      if (write(numbers as ArrayLike<number>, token, tokens.subarray(at * width, (at + 1) * width)))
        padding[at] = 0;
    }
  });
  const segment: VectorSegment = {
    modality,
    arrays: { tokens },
    length,
    layout: { input: name, width, columns: across },
    row: options.row,
  };
  return padding.includes(1) ? { segment, padding } : { segment };
};

const resolve = ({ name, isOrdered, axes }: VectorFacts, given: unknown, width: number): VectorSettings => {
  const where = `modalities.${name}`;
  const divisor = 2 * axes;
  check(!isOrdered || width % divisor === 0, 'width', [
    `to be a multiple of ${divisor}, for the sin-cos positions of ${name}`,
    width,
  ]);
  checkFields(given, where, { inputs: 'list' });
  checkKeys(given as object, where, ['inputs']);
  const { inputs = [] } = given as Partial<VectorSettings>;
  for (const [at, input] of inputs.entries()) {
    const path = `${where}.inputs.${at}`;
    checkFields(input, path, { name: 'text', width: 'number' });
    checkKeys(input, path, ['name', 'width']);
    check(typeof input.name === 'string' && input.name !== '', `${path}.name`, ['to be a name', input.name]);
    checkWhole(`${path}.width`, input.width, { most: MODALITY_LIMITS.tokenValues });
  }
  const keys = inputs.map((input) => keyOf(name, input));
  check(new Set(keys).size === keys.length, `${where}.inputs`, ['to name each input once', inputs]);
  return Object.freeze({ inputs });
};

/** Tokens are projected, and get their positions. [B, L, D] */
const embedOne = (
  { name, isOrdered }: VectorFacts,
  { arrays: { tokens }, length, layout }: VectorSegment,
  { width, size, parameter, constant }: EmbeddingContext<VectorSettings>,
): tf.Tensor3D => {
  const key = keyOf(name, { name: layout.input, width: layout.width });
  const projected = linear(
    tf.tensor3d(tokens, [size, length, layout.width]),
    parameter(`${key}.weight`) as tf.Tensor2D,
    parameter(`${key}.bias`) as tf.Tensor1D,
  ) as tf.Tensor3D;
  if (!isOrdered) return projected;
  // A table serves all lengths up to its own.
  const longest = 2 ** Math.ceil(Math.log2(length));
  const table = constant(`positions ${layout.columns} ${longest}`, () =>
    tf.tensor2d(tokenPositions(longest, width, layout.columns), [longest, width]),
  );
  return tf.add(projected, tf.slice(table, [0, 0], [length, width]));
};

const checkVectors = (
  { arrays: { tokens }, layout, length }: VectorSegment,
  {
    settings,
    size,
    label,
  }: Parameters<Modality<VectorSettings>['check']>[1] & { readonly settings: VectorSettings },
): void => {
  const fits = settings.inputs.filter(({ name }) => name === layout.input);
  if (!fits.some(({ width }) => width === layout.width)) {
    const inputs = settings.inputs.map(({ name, width }) => `${name} of ${width} values a token`);
    refuseSegment(
      label,
      `an input that the model was made for (${inputs.join(', ') || 'none'})`,
      `${layout.input} of ${layout.width}; use a model that was trained on such data`,
    );
  }
  const values = size * length * layout.width;
  if (!(tokens instanceof Float32Array) || tokens.length !== values)
    refuseSegment(
      label,
      `${values} values, a Float32Array`,
      `${tokens?.length} of ${tokens?.constructor.name}`,
    );
};

/** A modality of vectors. */
export const vectorModality = (facts: VectorFacts): Modality<VectorSettings, VectorInput, VectorSegment> => {
  const { name, summary, axes, layout } = facts;
  const tokens = (input: VectorInput): number => layout(input).count(numbersOf(input)) ?? 0;
  return Object.freeze({
    name,
    summary,
    attribute: name,
    columns: (input: VectorInput) => ({ [input.name]: { list: 'float32' as const } }),
    read: (columns: BatchColumns, input: VectorInput, options: ReadOptions) =>
      readVectors(facts, columns, { input, options }),
    tokens,
    values: (input: VectorInput) => tokens(input) * layout(input).width,
    synthetic: (random: Random, input: VectorInput, rows: number) => ({
      [input.name]: Array.from({ length: rows }, () =>
        Array.from({ length: numbersOf(input) }, (_, i) => {
          const column = input.stored.columns?.[i];
          return column?.kind === 'category' ? random.integer(column.values.length) : random.normal();
        }),
      ),
    }),
    input: (stored: StoredInput, context: InputContext): VectorInput => {
      const input = { name: context.name, stored, ...patchOf(facts, context) };
      layout(input);
      return input;
    },
    settingsFor: (inputs: readonly VectorInput[]): VectorSettings => {
      const all = inputs.map((input) => ({ name: input.name, width: layout(input).width }));
      return { inputs: [...new Map(all.map((input) => [keyOf(name, input), input])).values()] };
    },
    rawShape: (input: VectorInput) => ({ width: layout(input).width, axes }),
    rawTokens: ({ arrays, length, layout: { width, columns } }: VectorSegment) => ({
      values: arrays.tokens,
      width,
      axes,
      coordinates:
        columns === 0
          ? gridCoordinates([length])
          : gridCoordinates([Math.ceil(length / columns), columns]).subarray(0, 2 * length),
    }),
    resolve: (given: unknown, width: number) => resolve(facts, given, width),
    parameters: ({ inputs }: VectorSettings, width: number): readonly ParameterSpec[] =>
      inputs.flatMap((input) => linearSpecs(keyOf(name, input), [width, input.width])),
    // Of the widest input: tokens of all of them are counted alike.
    operations: ({ inputs }: VectorSettings, width: number) =>
      2 * width * inputs.reduce((most, input) => Math.max(most, input.width), 0),
    check: checkVectors,
    embed(segments: readonly VectorSegment[], context: EmbeddingContext<VectorSettings>): tf.Tensor3D {
      const parts = segments.map((segment) => embedOne(facts, segment, context));
      const [only] = parts;
      return only && parts.length === 1 ? only : tf.concat(parts, 1);
    },
  } satisfies Modality<VectorSettings, VectorInput, VectorSegment>);
};
