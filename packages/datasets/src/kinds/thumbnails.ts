/** How samples are shown to people: an image and a title. */
import { fixedListRow, nestedListRow, textRow, type RecordBatch } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';

/** How rows of a kind of dataset are shown to people. */
export interface Thumbnails {
  /** [height * width * 3], of the size of the suite's images. */
  image(batch: RecordBatch, row: number): Uint8Array;
  title(batch: RecordBatch, row: number, tokenizer: Pick<Tokenizer, 'decode'>): string;
}

/** The first caption of a row as text; undefined for a row without one. */
export const firstCaption = (
  batch: RecordBatch,
  row: number,
  tokenizer: Pick<Tokenizer, 'decode'>,
): string | undefined => {
  const [first] = nestedListRow(batch, 'captions', row);
  return first && tokenizer.decode(Array.from(first, Number)).trim();
};

const image: Thumbnails['image'] = (batch, row) => Uint8Array.from(fixedListRow(batch, 'image', row));

/** Images under their ids. */
export const labelledThumbnails: Thumbnails = { image, title: (batch, row) => textRow(batch, 'id', row) };

/** Images under their first caption. */
export const captionedThumbnails: Thumbnails = {
  image,
  title: (batch, row, tokenizer) => firstCaption(batch, row, tokenizer) ?? textRow(batch, 'id', row),
};
