import type { Reader, ReaderItem } from '../../src/samples/sample.ts';

/** Samples and faults of a reader, in its order. */
export const readAll = async (reader: Reader): Promise<ReaderItem[]> => {
  const items: ReaderItem[] = [];
  for await (const item of reader.read()) items.push(item);
  return items;
};
