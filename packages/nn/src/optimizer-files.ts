/**
 * Optimizer state in safetensors files: `count.NAME` and one tensor for each slot, such as `m.NAME` and `v.NAME`. The
 * header names the optimizer; files of before that are AdamW's.
 */
import { ConfigError, FormatError } from '@polygate/core';
import type { FileDigest, FileSource } from '@polygate/core/files';
import * as tf from '@tensorflow/tfjs';
import type { Optimizer, ParameterState } from './optimizer.ts';
import { finiteFloats, savableFloats } from './parameter-files.ts';
import {
  openSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type WritableTensor,
} from './safetensors.ts';

const COUNT = 'count';
const UNNAMED = 'adamw';

/**
 * Writes slots and counts of every parameter that was ever updated.
 * @returns size and SHA-256 of the file
 * @throws StateError for a failed write, or (code `weights-not-finite`) for NaN and infinity
 */
export const saveState = (
  {
    name: optimizer,
    states,
  }: { readonly name: string; readonly states: ReadonlyMap<string, ParameterState> },
  path: string,
): Promise<FileDigest> => {
  const tensors = new Map<string, WritableTensor>();
  for (const [name, { slots, count }] of states) {
    for (const [slot, tensor] of Object.entries(slots)) {
      const key = `${slot}.${name}`;
      tensors.set(key, {
        dtype: 'F32',
        shape: tensor.shape,
        data: async () => savableFloats((await tensor.data()) as Float32Array, path, key),
      });
    }
    tensors.set(`${COUNT}.${name}`, { dtype: 'I32', shape: [], data: Int32Array.of(count) });
  }
  return writeSafetensors(path, tensors, optimizer === UNNAMED ? {} : { optimizer });
};

/** A word list as a person would say it: `a`, `a and b`, `a, b and c`. */
const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

/** What is read: the file and the names of the optimizer's slots. */
interface StateFile {
  readonly file: SafetensorsFile;
  readonly slots: readonly string[];
}

/** Parameters that a file has state of. @throws FormatError where one of its tensors lacks, or another is there */
const updatedNames = ({ file, slots }: StateFile): readonly string[] => {
  const kinds = [COUNT, ...slots];
  const names = new Set<string>();
  for (const key of file.entries.keys()) {
    const dot = key.indexOf('.');
    const name = key.slice(dot + 1);
    const lacking = kinds.filter((kind) => !file.entries.has(`${kind}.${name}`));
    if (dot < 0 || !kinds.includes(key.slice(0, dot)) || lacking.length > 0) {
      const wanted =
        dot > 0 && lacking.length < kinds.length
          ? `${lacking.map((kind) => `"${kind}.${name}"`).join(' and ')} beside "${key}"`
          : `${listed(kinds)} of parameters`;
      throw new FormatError(
        `safetensors ${file.name}: expected ${wanted}, got ${lacking.length < kinds.length ? 'none' : `"${key}"`}; the file is damaged or is no optimizer's: take another checkpoint`,
        { code: 'optimizer-damaged', fields: { path: file.name, name: key } },
      );
    }
    names.add(name);
  }
  return [...names];
};

const readParameterState = async ({ file, slots }: StateFile, name: string): Promise<ParameterState> => {
  const path = file.name;
  const damaged = (expected: string, got: unknown): FormatError =>
    new FormatError(
      `safetensors ${path}: expected ${expected}, got ${String(got)}; the file is damaged: take another checkpoint`,
      { code: 'optimizer-damaged', fields: { path, name } },
    );
  const [first] = (await file.read(`${COUNT}.${name}`)).data;
  const count = Number(first);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw damaged(`a count of at least 1 in "${COUNT}.${name}"`, first);
  }
  const shapeOf = (slot: string): readonly number[] => file.entries.get(`${slot}.${name}`)?.shape ?? [];
  const [lead] = slots;
  for (const slot of slots) {
    if (lead === undefined || shapeOf(slot).join() === shapeOf(lead).join()) continue;
    throw damaged(
      `"${slot}.${name}" of the shape of "${lead}.${name}", [${shapeOf(lead).join(', ')}]`,
      `[${shapeOf(slot).join(', ')}]`,
    );
  }
  const read: Record<string, tf.Tensor> = {};
  try {
    for (const slot of slots) {
      const values = await finiteFloats(file, path, `${slot}.${name}`);
      // Slot v of the state is a mean of squares in every optimizer that has one.
      const negative = slot === 'v' ? values.findIndex((value) => value < 0) : -1;
      if (negative >= 0) throw damaged(`squares in "v.${name}"`, `${values[negative]} at index ${negative}`);
      read[slot] = tf.tensor(values, [...shapeOf(slot)]);
    }
    return { count, slots: read };
  } catch (error) {
    tf.dispose(read);
    throw error;
  }
};

/**
 * Replaces an optimizer's state by a saved one, from a file or its bytes; nothing is changed when it can't be.
 * @param slots names of the tensors that it keeps of each parameter
 * @throws FormatError for a damaged file: a missing tensor, a count below 1, values that can't be state; ConfigError (code
 * `optimizer-differs`) for another optimizer's; ConfigError, ShapeError for another model's
 */
export const loadState = async (
  optimizer: Optimizer,
  source: FileSource,
  slots: readonly string[],
): Promise<void> => {
  const file = await openSafetensors(source);
  const states = new Map<string, ParameterState>();
  try {
    const { optimizer: stored = UNNAMED } = file.metadata;
    if (stored !== optimizer.name) {
      throw new ConfigError(
        `safetensors ${file.name}: expected the state of ${optimizer.name}, got that of ${stored}; go on with the optimizer that the run began with, or start a new run`,
        { code: 'optimizer-differs', fields: { path: file.name, expected: optimizer.name, got: stored } },
      );
    }
    const opened = { file, slots };
    for (const name of updatedNames(opened)) states.set(name, await readParameterState(opened, name));
    optimizer.restore(states);
  } finally {
    for (const state of states.values()) tf.dispose(state.slots);
    await file.close();
  }
};
