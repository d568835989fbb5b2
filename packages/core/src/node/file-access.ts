/** Files of Node for packages that also run without: what `@polygate/core/files` is in Node. */
import { readFileSync } from 'node:fs';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { sourceOfBytes, type ByteSource, type FileSource } from '../byte-source.ts';

export type { ByteSource, DigestedFile, FileDigest, FileSource } from '../byte-source.ts';
export { writeFileDigested } from './digested-file.ts';
export { writeFileAtomic } from './files.ts';

/** Opens a file, or bytes. @throws the system's error where there is none to read */
export const openSource = async (source: FileSource): Promise<ByteSource> => {
  if (typeof source !== 'string') return sourceOfBytes(source);
  const handle: FileHandle = await open(source, 'r');
  const close = (): Promise<void> => handle.close();
  try {
    const { size } = await handle.stat();
    return {
      name: source,
      size,
      async read(position, length) {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
          if (bytesRead === 0) return bytes.slice(0, done);
          done += bytesRead;
        }
        return bytes;
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/** A whole file. @throws the system's error */
export const readBytes = async (path: string): Promise<Uint8Array> => readFile(path);

/** A whole file at once, where nothing can be awaited. @throws the system's error */
export const readBytesSync = (path: string): Uint8Array => readFileSync(path);
