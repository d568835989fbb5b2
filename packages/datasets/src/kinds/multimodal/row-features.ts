/**
 * Plain features of samples for simple baselines: the numbers of all inputs side by side, categories as a flag for each, long
 * arrays averaged in stretches; gaps filled with the mean of the training split, each feature brought to mean 0 and deviation 1.
 */
import { listRow, type RecordBatch, type StoredInput } from '@polygate/stream';
import { formNamed } from './form-registry.ts';
import type { StoredInputs } from './multimodal-rows.ts';

/** Most features of a sample. */
const MAX_FEATURES = 512;
/** Stretches of an axis whose length differs. */
const STRETCHES = 8;

/** An input as features: how many, and what stands in them. */
interface FeaturePart {
  readonly name: string;
  readonly width: number;
  /** Adds the numbers of a cell to features that begin at `start`; what it leaves is missing. */
  fill(numbers: ArrayLike<number>, features: Float64Array, start: number): void;
}

/** Numbers of a row of a table, and a flag for each of its categories, as far as there is room. */
const tablePart = (name: string, columns: NonNullable<StoredInput['columns']>, room: number): FeaturePart => {
  const widths = columns.map((column) => (column.kind === 'number' ? 1 : column.values.length));
  const starts: number[] = [];
  let width = 0;
  for (const each of widths) {
    // A column that finds no room is left out.
    starts.push(width + each <= room ? width : -1);
    if (width + each <= room) width += each;
  }
  return {
    name,
    width,
    fill(numbers, features, start) {
      for (const [at, column] of columns.entries()) {
        const [value, first] = [numbers[at] ?? Number.NaN, starts[at] ?? -1];
        if (first < 0 || Number.isNaN(value)) continue;
        if (column.kind === 'number') features[start + first] = value;
        else
          for (let i = 0; i < column.values.length; i += 1) features[start + first + i] = Number(i === value);
      }
    },
  };
};

/** Numbers of an array [steps, width], or the means of so many stretches of both axes as there is room for. */
const arrayPart = (name: string, { shape = [] }: StoredInput, room: number): FeaturePart => {
  const [steps, ...others] = shape;
  const step = others.reduce<number>((product, side) => product * (side ?? 1), 1);
  const columns = Math.max(1, Math.min(step, room));
  const rows = Math.max(1, Math.min(steps ?? STRETCHES, Math.floor(room / columns)));
  return {
    name,
    width: rows * columns,
    fill(numbers, features, start) {
      const length = Math.max(1, Math.ceil(numbers.length / step));
      const counts = new Int32Array(rows * columns);
      for (let i = 0; i < numbers.length; i += 1) {
        const value = numbers[i] ?? Number.NaN;
        if (Number.isNaN(value)) continue;
        const row = Math.floor((Math.floor(i / step) * rows) / length);
        const at = row * columns + Math.floor(((i % step) * columns) / step);
        const count = (counts[at] ?? 0) + 1;
        counts[at] = count;
        const before = count === 1 ? 0 : (features[start + at] ?? 0);
        features[start + at] = before + (value - before) / count;
      }
    },
  };
};

/** How rows of a dataset become features. */
export interface RowFeatures {
  readonly width: number;
  /** Features [F] of a row; NaN where something is missing. */
  of(batch: RecordBatch, row: number): Float64Array;
}

/** Features of the inputs that are numbers; undefined where none is. */
export const rowFeatures = (inputs: StoredInputs): RowFeatures | undefined => {
  const measured = Object.entries(inputs).filter(([, { form }]) => formNamed(form).isMeasured);
  const room = Math.floor(MAX_FEATURES / Math.max(1, measured.length));
  const parts = measured.map(([name, stored]) =>
    stored.columns ? tablePart(name, stored.columns, room) : arrayPart(name, stored, room),
  );
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  if (width === 0) return undefined;
  return {
    width,
    of(batch, row) {
      const features = new Float64Array(width).fill(Number.NaN);
      let start = 0;
      for (const part of parts) {
        part.fill(listRow(batch, part.name, row) as ArrayLike<number>, features, start);
        start += part.width;
      }
      return features;
    },
  };
};

/** Brings features to mean 0 and deviation 1 over the rows that it was made of, in place; gaps become their mean. */
export type Scaling = (features: Float64Array) => void;

/** @param features [N, F] row-major, NaN where one is missing; they are scaled, too */
export const scaleRows = (features: Float64Array, width: number): Scaling => {
  const [means, deviations] = [new Float64Array(width), new Float64Array(width)];
  const rows = features.length / width;
  for (let i = 0; i < width; i += 1) {
    let [sum, count, squares] = [0, 0, 0];
    for (let at = i; at < features.length; at += width) {
      const value = features[at] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      sum += value;
      count += 1;
    }
    const mean = count === 0 ? 0 : sum / count;
    for (let at = i; at < features.length; at += width) {
      const value = features[at] ?? Number.NaN;
      if (!Number.isNaN(value)) squares += (value - mean) ** 2;
    }
    means[i] = mean;
    // A gap is filled with the mean, and counts as a row that is there.
    const deviation = Math.sqrt(squares / rows);
    // What never changes says nothing, and rounding of its mean is no deviation.
    deviations[i] = deviation <= Math.abs(mean) * 1e-12 ? 0 : deviation;
  }
  const scale: Scaling = (values) => {
    for (let at = 0; at < values.length; at += 1) {
      const [value, deviation] = [values[at] ?? Number.NaN, deviations[at % width] ?? 0];
      values[at] =
        Number.isNaN(value) || deviation === 0 ? 0 : (value - (means[at % width] ?? 0)) / deviation;
    }
  };
  scale(features);
  return scale;
};
