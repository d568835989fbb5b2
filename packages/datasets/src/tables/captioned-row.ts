/** Rows of tables with the name of a file, a caption and, where a column of splits is followed, a split. */
import { fault, type Fault } from '../samples/sample.ts';
import { noSplit, splitOfCell } from '../splits/split-cell.ts';
import { listOfCell } from './cell-list.ts';
import type { RecordItem } from './delimited.ts';

/** What R, pandas, Python and MySQL write for a text that is not there, letter for letter: no caption. `null` is a word, too. */
const writtenForNone: ReadonlySet<string> = new Set([
  'NA',
  'N/A',
  '#N/A',
  '<NA>',
  'NaN',
  'nan',
  'None',
  '\\N',
]);

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
  /** One, or those of a cell that is a list. */
  readonly captions: readonly string[];
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
  if (caption === '' || writtenForNone.has(caption))
    return fault(
      `${name} (${id})`,
      'empty-caption',
      `expected a caption, got ${caption === '' ? 'an empty text' : `"${caption}", which programs write where there is none`}`,
    );
  const captions = listOfCell(caption) ?? [caption];
  if (layout.split < 0) return { name, captions };
  const split = splitOfCell(item.fields[layout.split]);
  return split === undefined
    ? noSplit(`${name} (${id})`, item.fields[layout.split] ?? '')
    : { name, captions, split };
};
