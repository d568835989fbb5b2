/**
 * Parameters and optimizer state in safetensors files. A parameter keeps its name; the optimizer's tensors are
 * `m.NAME`, `v.NAME` and `count.NAME`.
 */
import { ConfigError, FormatError, ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import type { AdamW, MomentState } from './adamw.ts';
import type { ParameterSet } from './parameters.ts';
import {
  openSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type WritableTensor,
} from './safetensors.ts';

const SHOWN_NAMES = 5;

/** Settings of {@link saveParameters}. */
export interface SaveOptions {
  /** BF16 halves the file and rounds each value to 8 significant bits. @default 'F32' */
  readonly dtype?: 'F32' | 'BF16';
  /** Texts stored in the header. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Settings of {@link loadParameters}. */
export interface LoadOptions {
  /** Whether the names of file and model must be the same; otherwise those they share are loaded. @default true */
  readonly strict?: boolean;
}

/** What {@link loadParameters} did. */
export interface LoadReport {
  readonly loaded: readonly string[];
  /** Parameters that the file lacks; they keep their values. */
  readonly missing: readonly string[];
  /** Tensors of the file that aren't parameters. */
  readonly unexpected: readonly string[];
}

const some = (names: readonly string[]): string =>
  names.slice(0, SHOWN_NAMES).join(', ') +
  (names.length > SHOWN_NAMES ? `, and ${names.length - SHOWN_NAMES} more` : '');

/** Writes all parameters, one at a time. @throws StateError for a failed write */
export const saveParameters = (
  parameters: ParameterSet,
  path: string,
  options: SaveOptions = {},
): Promise<void> => {
  const { dtype = 'F32', metadata = {} } = options;
  const tensors = new Map<string, WritableTensor>();
  for (const { name, spec } of parameters.entries()) {
    tensors.set(name, { dtype, shape: spec.shape, data: () => parameters.read(name) });
  }
  return writeSafetensors(path, tensors, { format: 'pt', ...metadata });
};

const floats = async (file: SafetensorsFile, path: string, name: string): Promise<Float32Array> => {
  const { data, dtype } = await file.read(name);
  if (data instanceof Float32Array) return data;
  throw new FormatError(
    `safetensors ${path}: expected floating-point values (F32, BF16 or F16) for "${name}", got ${dtype}; save the weights as float32`,
    { fields: { path, name, dtype } },
  );
};

const checkShapes = (parameters: ParameterSet, file: SafetensorsFile, path: string): void => {
  const wrong: string[] = [];
  for (const { name, spec } of parameters.entries()) {
    const shape = file.entries.get(name)?.shape;
    if (shape && shape.join() !== spec.shape.join()) {
      wrong.push(`${name} (model [${spec.shape.join(', ')}], file [${shape.join(', ')}])`);
    }
  }
  if (wrong.length > 0) {
    throw new ShapeError(
      `loadParameters ${path}: expected the model's shapes, got ${wrong.length} that differ: ${some(wrong)}; load into a model of the same configuration`,
      { fields: { path, wrong } },
    );
  }
};

/**
 * Loads parameters by name. Names and shapes are checked before any value is changed.
 * @throws ConfigError listing missing and unexpected names (strict), ShapeError listing shapes that differ, FormatError
 * for a damaged file
 */
export const loadParameters = async (
  parameters: ParameterSet,
  path: string,
  options: LoadOptions = {},
): Promise<LoadReport> => {
  const file = await openSafetensors(path);
  try {
    const names = parameters.entries().map(({ name }) => name);
    const missing = names.filter((name) => !file.entries.has(name));
    const unexpected = [...file.entries.keys()].filter((name) => !parameters.has(name));
    if ((options.strict ?? true) && missing.length + unexpected.length > 0) {
      const parts = [
        ...(missing.length > 0 ? [`${missing.length} missing in the file (${some(missing)})`] : []),
        ...(unexpected.length > 0
          ? [`${unexpected.length} unexpected in the file (${some(unexpected)})`]
          : []),
      ];
      throw new ConfigError(
        `loadParameters ${path}: expected exactly the model's ${names.length} parameters, got ${parts.join(' and ')}; load into a model of the same configuration or set strict: false`,
        { code: 'parameters-differ', fields: { path, missing, unexpected } },
      );
    }
    checkShapes(parameters, file, path);
    const loaded = names.filter((name) => file.entries.has(name));
    for (const name of loaded) parameters.write(name, await floats(file, path, name));
    return { loaded, missing, unexpected };
  } finally {
    await file.close();
  }
};

/** Writes moments and counts of every parameter that was ever updated. @throws StateError for a failed write */
export const saveOptimizer = (optimizer: AdamW, path: string): Promise<void> => {
  const tensors = new Map<string, WritableTensor>();
  for (const [name, { m, v, count }] of optimizer.state()) {
    for (const [kind, tensor] of [
      ['m', m],
      ['v', v],
    ] as const) {
      tensors.set(`${kind}.${name}`, {
        dtype: 'F32',
        shape: tensor.shape,
        data: async () => (await tensor.data()) as Float32Array,
      });
    }
    tensors.set(`count.${name}`, { dtype: 'I32', shape: [], data: Int32Array.of(count) });
  }
  return writeSafetensors(path, tensors);
};

/** Replaces an optimizer's state by a saved one. @throws FormatError for a damaged file; ConfigError, ShapeError for another model's */
export const loadOptimizer = async (optimizer: AdamW, path: string): Promise<void> => {
  const file = await openSafetensors(path);
  const states = new Map<string, MomentState>();
  try {
    for (const key of file.entries.keys()) {
      if (!key.startsWith('count.')) continue;
      const name = key.slice('count.'.length);
      const count = Number((await file.read(key)).data[0]);
      const shape = [...(file.entries.get(`m.${name}`)?.shape ?? [])];
      const m = tf.tensor(await floats(file, path, `m.${name}`), shape);
      const v = tf.tensor(await floats(file, path, `v.${name}`), shape);
      states.set(name, { count, m, v });
    }
    optimizer.restore(states);
  } finally {
    for (const { m, v } of states.values()) tf.dispose([m, v]);
    await file.close();
  }
};
