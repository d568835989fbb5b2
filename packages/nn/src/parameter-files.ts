/** Parameters in safetensors files, each under its own name. */
import { ConfigError, FormatError, ShapeError, StateError } from '@polygate/core';
import type { FileDigest, FileSource } from '@polygate/core/files';
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

/** Place of the first value that is NaN or infinite; -1 where all are finite. */
const firstNotFinite = (values: Float32Array): number => {
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    // NaN and the infinities alone differ from themselves when they are taken from themselves.
    if (value - value !== 0) return i;
  }
  return -1;
};

/** The last part of a path of any system. */
const fileName = (path: string): string => path.split(/[/\\]/u).at(-1) ?? path;

/** Values that are about to be written. @throws StateError (code `weights-not-finite`) */
export const savableFloats = (values: Float32Array, path: string, name: string): Float32Array => {
  const at = firstNotFinite(values);
  if (at < 0) return values;
  throw new StateError(
    `save ${fileName(path)}: expected finite values, got ${values[at]} at index ${at} of "${name}"; nothing was written: go back to an earlier checkpoint with a lower learning rate or harder clipping`,
    { code: 'weights-not-finite', fields: { path, name, index: at } },
  );
};

/**
 * Writes all parameters, one at a time.
 * @returns size and SHA-256 of the file
 * @throws StateError for a failed write, or (code `weights-not-finite`) for NaN and infinity
 */
export const saveParameters = (
  parameters: ParameterSet,
  path: string,
  options: SaveOptions = {},
): Promise<FileDigest> => {
  const { dtype = 'F32', metadata = {} } = options;
  const tensors = new Map<string, WritableTensor>();
  for (const { name, spec } of parameters.entries()) {
    const data = async (): Promise<Float32Array> => savableFloats(await parameters.read(name), path, name);
    tensors.set(name, { dtype, shape: spec.shape, data });
  }
  return writeSafetensors(path, tensors, { format: 'pt', ...metadata });
};

/**
 * Values of a tensor of a file.
 * @throws FormatError for integers, and (code `weights-not-finite`) for NaN and infinity
 */
export const finiteFloats = async (
  file: SafetensorsFile,
  path: string,
  name: string,
): Promise<Float32Array> => {
  const { data, dtype } = await file.read(name);
  if (data instanceof Float32Array) {
    const at = firstNotFinite(data);
    if (at < 0) return data;
    throw new FormatError(
      `safetensors ${path}: expected finite values, got ${data[at]} at index ${at} of "${name}"; the file is damaged or its training diverged: take an earlier checkpoint`,
      { code: 'weights-not-finite', fields: { path, name, index: at } },
    );
  }
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
 * Loads parameters by name, from a file or its bytes (which are borrowed until it returns). Names and shapes are checked before any value is changed.
 * @throws ConfigError listing missing and unexpected names (strict), ShapeError listing shapes that differ, FormatError
 * for a damaged file and (code `weights-not-finite`) for NaN and infinity
 */
export const loadParameters = async (
  parameters: ParameterSet,
  source: FileSource,
  options: LoadOptions = {},
): Promise<LoadReport> => {
  const file = await openSafetensors(source);
  const path = file.name;
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
    for (const name of loaded) parameters.write(name, await finiteFloats(file, path, name));
    return { loaded, missing, unexpected };
  } finally {
    await file.close();
  }
};
