/** What `@polygate/core/files` is where there is no Node, as in browsers: bytes are read, paths are refused. */
import { sourceOfBytes } from './byte-source.ts';
import type { ByteSource, DigestedFile, FileDigest, FileSource } from './byte-source.ts';
import { StateError } from './errors.ts';

export type { ByteSource, DigestedFile, FileDigest, FileSource } from './byte-source.ts';

const refusal = (path: string, remedy: string): StateError =>
  new StateError(`file ${path}: expected Node, got a platform without files; ${remedy}`, {
    code: 'no-files',
    fields: { path },
  });

const refuseToRead = (path: string): never => {
  throw refusal(path, 'fetch the file and give its bytes');
};

const refuseToWrite = async (path: string): Promise<never> => {
  throw refusal(path, 'write it in Node');
};

/** Opens bytes. @throws StateError (code `no-files`) for a path */
export const openSource = async (source: FileSource): Promise<ByteSource> =>
  typeof source === 'string' ? refuseToRead(source) : sourceOfBytes(source);

/** @throws StateError (code `no-files`) */
export const readBytes = async (path: string): Promise<Uint8Array> => refuseToRead(path);

/** @throws StateError (code `no-files`) */
export const readBytesSync: (path: string) => Uint8Array = refuseToRead;

/** @throws StateError (code `no-files`) */
export const writeFileAtomic: (path: string, data: string | Uint8Array) => Promise<void> = refuseToWrite;

/** @throws StateError (code `no-files`) */
export const writeFileDigested: (
  path: string,
  fill: (file: DigestedFile) => Promise<void>,
) => Promise<FileDigest> = refuseToWrite;
