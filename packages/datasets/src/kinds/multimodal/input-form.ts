/** How an input of multimodal samples lies in rows. */
import type { NamedRecord, Random } from '@polygate/core';
import type { ColumnInput, FieldKind, StoredInput } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import type { DecodeOptions } from '../../images/image-decode.ts';
import type { Fault, SampleContent } from '../../samples/sample.ts';

/** What an input's content becomes a cell with. */
export interface CellOptions {
  /** The sample, in faults. */
  readonly id: string;
  readonly stored: StoredInput;
  readonly image: DecodeOptions;
  readonly tokenizer: Tokenizer;
}

/** The value of a column in one row. */
export type Cell = ArrayBufferView | readonly number[];

/** What made-up cells are made of. */
export interface MadeUpOptions {
  readonly stored: StoredInput;
  readonly imageSize: number;
  readonly random: Random;
  /** Words that the tokenizer has. */
  readonly words: readonly string[];
  readonly tokenizer: Tokenizer;
}

/** A form of inputs. */
export interface InputForm extends NamedRecord {
  /** The column of an input. @param imageSize side of square images, pixels */
  column(imageSize: number): FieldKind;
  /** A cell of a content, or why there is none. */
  cell(content: SampleContent, options: CellOptions): Promise<Cell | Fault> | Cell | Fault;
  /** The cell of a sample that lacks the input. */
  missing(imageSize: number): Cell;
  /** A made-up cell. */
  synthetic(options: MadeUpOptions): Cell;
  /** Whether cells are lists of numbers that have a mean. */
  readonly isMeasured: boolean;
}

/** Joins the cells of a column that has equally many values in each row. */
export const columnOf = (kind: FieldKind, cells: readonly Cell[]): ColumnInput => {
  const isFixed = typeof kind === 'object' && 'fixedList' in kind;
  return isFixed ? Uint8Array.from(cells.flatMap((cell) => [...(cell as Uint8Array)])) : (cells as never);
};
