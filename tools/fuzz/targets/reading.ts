/** What targets share: files to parse, and items of readers that must be whole. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bucketOf, contentKey, type Reader, type ReaderItem } from '@polygate/datasets';
import { expectRight } from '../target.ts';

/** Bytes of a text. */
export const utf8 = (text: string): Uint8Array => Buffer.from(text);

/** A function that puts an input under a name of the folder and gives the path. */
export const fileIn =
  (folder: string, name: string) =>
  async (bytes: Uint8Array): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  };

const checkItem = (item: ReaderItem): void => {
  expectRight(typeof item.id === 'string', `an id of type ${typeof item.id}`);
  if (item.kind === 'fault') {
    expectRight(/^[a-z0-9-]+$/u.test(item.code), `the fault code ${item.code}`);
    expectRight(
      typeof item.reason === 'string' && item.reason.length < 2000,
      `a reason of ${item.reason.length} characters: ${item.reason.slice(0, 200)}`,
    );
    return;
  }
  const { texts, label, image, split } = item;
  expectRight(
    texts === undefined ||
      // Of several an empty one stays in its place, and is left out where rows are made.
      (texts.some((text) => text !== '') && texts.every((text) => typeof text === 'string')),
    `texts ${JSON.stringify(texts)?.slice(0, 200)}`,
  );
  expectRight(label === undefined || (Number.isSafeInteger(label) && label >= 0), `the label ${label}`);
  expectRight(split === undefined || typeof split === 'string', `a split of type ${typeof split}`);
  expectRight(
    texts !== undefined || label !== undefined || image !== undefined,
    'a sample of nothing at all',
  );
};

/** Reads a source to its end, twice, and checks its items; both passes must give the same. */
export const readTwice = async (reader: Reader): Promise<readonly ReaderItem[]> => {
  const items: ReaderItem[] = [];
  for await (const item of reader.read()) {
    checkItem(item);
    items.push(item);
    if (item.kind === 'sample') bucketOf(item.id);
  }
  let at = 0;
  for await (const item of reader.read()) {
    const before = items[at];
    expectRight(
      before?.kind === item.kind && before.id === item.id,
      `item ${at} is ${item.id} in the second pass, ${before?.id ?? 'none'} in the first`,
    );
    at += 1;
  }
  expectRight(at === items.length, `${at} items in the second pass, ${items.length} in the first`);
  const classes = reader.classes?.length;
  for (const item of items) {
    if (item.kind === 'sample' && item.label !== undefined && classes !== undefined)
      expectRight(item.label < classes, `the label ${item.label} of ${classes} classes`);
  }
  return items;
};

/** The keys by which samples go to splits can be made of all of them. */
export const checkKeys = async (items: readonly ReaderItem[]): Promise<void> => {
  for (const item of items.slice(0, 4)) if (item.kind === 'sample') await contentKey(item);
};
