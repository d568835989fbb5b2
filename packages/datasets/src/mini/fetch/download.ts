/** A file from an address, in parts: what an earlier try has left is kept, and only the rest is asked for. */
import { open, rename, stat } from 'node:fs/promises';

/** Tries in a row after a connection that breaks. */
const TRIES = 4;

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;

const downloadRest = async (address: string, part: string): Promise<void> => {
  const start = await sizeOf(part);
  const response = await fetch(address, start > 0 ? { headers: { range: `bytes=${start}-` } } : {});
  // The part is whole already.
  if (response.status === 416) return;
  if (!response.ok || response.body === null) throw new Error(`${response.status} ${response.statusText}`);
  const file = await open(part, response.status === 206 ? 'a' : 'w');
  try {
    // Piece by piece: what has come before a connection breaks is kept.
    for await (const piece of response.body) await file.write(piece as Uint8Array);
  } finally {
    await file.close();
  }
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
