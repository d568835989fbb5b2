/** Rows of tables with the name of a file, a caption and, where a column of splits is followed, a split. */
import { fault, type Fault } from '../samples/sample.ts';
import { noSplit, splitOfCell } from '../splits/split-cell.ts';
import type { RecordItem } from './delimited.ts';

/** Columns by their index. */
export interface CaptionedLayout {
  readonly name: number;
  readonly caption: number;
  /** -1 where no column of splits is followed. */
  readonly split: number;
  /** The name of the file, as a cell says it. @default the cell */
  readonly nameOf?: (cell: string) => string;
}

/** A row whose fields are there. */
export interface CaptionedRow {
  readonly name: string;
  readonly caption: string;
  readonly split?: string;
}

/** The fields of a row, or what is wrong with it. @param file what the name names: `image`, `clip` */
export const captionedRow = (
  item: RecordItem,
  layout: CaptionedLayout,
  file: 'image' | 'clip',
): CaptionedRow | Fault => {
  const id = `line ${item.line}`;
  if (item.kind === 'bad-record') return fault(id, item.code, item.reason);
  const cell = (index: number): string => item.fields[index]?.trim() ?? '';
  const { nameOf = (text: string): string => text } = layout;
  const [name, caption] = [nameOf(cell(layout.name)), cell(layout.caption)];
  if (name === '') {
    const one = file === 'image' ? 'an image' : 'a clip';
    return fault(id, `no-${file}-name`, `expected the name of ${one}, got an empty field`);
  }
  if (caption === '')
    return fault(`${name} (${id})`, 'empty-caption', 'expected a caption, got an empty text');
  if (layout.split < 0) return { name, caption };
  const split = splitOfCell(item.fields[layout.split]);
  return split === undefined
    ? noSplit(`${name} (${id})`, item.fields[layout.split] ?? '')
    : { name, caption, split };
};
