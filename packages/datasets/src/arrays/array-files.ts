/** The arrays of files by name: those of NumPy, and of HDF5. */
import { createReadStream } from 'node:fs';
import { basename, extname } from 'node:path';
import { type Budgets, ConfigError } from '@polygate/core';
import type { ArraySource } from './array-data.ts';
import { hdf5Sources } from './hdf5.ts';
import { npySource } from './npy.ts';
import { readZip } from './zip.ts';

const HDF5_EXTENSIONS: readonly string[] = ['.h5', '.hdf5', '.hdf'];
/** Endings of files that hold arrays. */
export const ARRAY_EXTENSIONS: readonly string[] = ['.npz', '.npy', ...HDF5_EXTENSIONS];

/** Arrays by name, of all files. @throws ConfigError for two of one name */
export const arraysOf = async (
  paths: readonly string[],
  { imageBytes, groupBytes }: Budgets,
): Promise<ReadonlyMap<string, ArraySource>> => {
  const arrays = new Map<string, ArraySource>();
  const addSource = (source: ArraySource): void => {
    const { name } = source;
    if (arrays.has(name))
      throw new ConfigError(
        `NumPy arrays: expected arrays of different names, got "${name}" twice; name one file`,
        {
          code: 'array-twice',
          fields: { array: name },
        },
      );
    arrays.set(name, source);
  };
  const add = (name: string, bytes: () => AsyncIterable<Uint8Array>): void =>
    addSource(npySource(name, bytes, { imageBytes, groupBytes }));
  for (const path of paths) {
    if (HDF5_EXTENSIONS.includes(extname(path).toLowerCase()))
      for (const source of await hdf5Sources(path, { imageBytes })) addSource(source);
    else if (extname(path).toLowerCase() === '.npy')
      add(basename(path, extname(path)), () => createReadStream(path));
    else for (const entry of await readZip(path)) add(entry.name.replace(/\.npy$/u, ''), () => entry.read());
  }
  return arrays;
};

/** Endings of files that can run any program when they are loaded. */
export const PICKLES: readonly string[] = ['.pkl', '.pickle', '.pk', '.dill', '.joblib'];

/** @throws ConfigError for a file that is a pickle by its name, with the safe way */
export const refusePickles = (files: string | readonly string[]): void => {
  const pickle = [files].flat().find((file) => PICKLES.includes(extname(file).toLowerCase()));
  if (pickle === undefined) return;
  throw new ConfigError(
    `${pickle}: expected a file of arrays, got a pickle, which can run any program when it is loaded, and is not read; load it in Python where you trust it and save its arrays: np.savez(file, labels=..., force=...)`,
    { code: 'pickle', fields: { file: pickle } },
  );
};
