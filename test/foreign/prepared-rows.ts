/** What a prepared suite holds, read back from its shards: for comparison with what other tools read. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PreparedSuite } from '@polygate/app-prepare';
import { splitFolder, suiteDataset } from '@polygate/datasets';
import { fixedListValues, listRow, nestedListRow, openShards, textRow, values } from '@polygate/stream';
import { loadTokenizer } from '@polygate/tokens';

/** Folder of the files that the committed Python scripts made. */
export const fixtures = join(import.meta.dirname, 'fixtures');

/** A record that a Python script wrote beside its files. */
export const readRecord = <T>(name: string): T => JSON.parse(readFileSync(join(fixtures, name), 'utf8')) as T;

/** One row of a split, with tokens as text and labels as class names. */
export interface PreparedRow {
  readonly split: string;
  readonly id: string;
  /** [H·W·3] RGB, for the image kinds. */
  readonly pixels?: Uint8Array;
  /** Captions of an image, or the one or two sentences of a labelled text. */
  readonly texts?: readonly string[];
  readonly label?: string;
  /** What samples belong together by, for kinds that say it. */
  readonly group?: string;
}

/** All rows of a dataset, split by split in the order of the suite. */
export const preparedRows = async (
  prepared: Pick<PreparedSuite, 'suite' | 'directory'>,
  name: string,
): Promise<PreparedRow[]> => {
  const dataset = suiteDataset(prepared.suite, name);
  const tokenizer = await loadTokenizer(join(prepared.directory, 'tokenizer.json'));
  const decode = (ids: ArrayLike<number | bigint>): string => tokenizer.decode(Array.from(ids, Number));
  const rows: PreparedRow[] = [];
  for (const split of Object.keys(dataset.splits)) {
    const shards = await openShards(splitFolder(prepared.directory, dataset, split));
    try {
      for await (const batch of shards.batches()) {
        const has = (column: string): boolean => batch.getChild(column) !== null;
        const pixels = has('image') ? fixedListValues(batch, 'image') : undefined;
        const labels = has('label') ? values(batch, 'label') : undefined;
        const side = pixels ? pixels.length / batch.numRows : 0;
        const sentences = ['tokens', 'tokens_b'].filter(has);
        for (let row = 0; row < batch.numRows; row += 1) {
          const texts = has('captions')
            ? nestedListRow(batch, 'captions', row).map(decode)
            : sentences.map((column) => decode(listRow(batch, column, row)));
          rows.push({
            split,
            id: textRow(batch, 'id', row),
            ...(pixels
              ? { pixels: Uint8Array.from(pixels.subarray(row * side, (row + 1) * side), Number) }
              : {}),
            ...(texts.length > 0 ? { texts } : {}),
            ...(has('concept') ? { group: textRow(batch, 'concept', row) } : {}),
            ...(labels ? { label: dataset.classes?.[Number(labels[row])] ?? '' } : {}),
          });
        }
      }
    } finally {
      await shards.close();
    }
  }
  return rows;
};
