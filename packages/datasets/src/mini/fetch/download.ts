/** A file from an address, in parts: what an earlier try has left is kept, and only the rest is asked for. */
import { createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Tries in a row after a connection that breaks. */
const TRIES = 4;

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;

const downloadRest = async (address: string, part: string): Promise<void> => {
  const start = await sizeOf(part);
  const response = await fetch(address, start > 0 ? { headers: { range: `bytes=${start}-` } } : {});
  // The part is whole already.
  if (response.status === 416) return;
  if (!response.ok || response.body === null) throw new Error(`${response.status} ${response.statusText}`);
  const append = response.status === 206;
  await pipeline(
    Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
    createWriteStream(part, { flags: append ? 'a' : 'w' }),
  );
};

/**
 * Downloads to `target`; until all has come the bytes are in `target.part`.
 * @throws the last error where several tries in a row bring nothing more
 */
export const downloadFile = async (address: string, target: string): Promise<void> => {
  const part = `${target}.part`;
  for (let left = TRIES; ; left -= 1) {
    const before = await sizeOf(part);
    try {
      await downloadRest(address, part);
      break;
    } catch (cause) {
      if ((await sizeOf(part)) > before) left = TRIES;
      else if (left <= 1) throw cause;
    }
  }
  await rename(part, target);
};
