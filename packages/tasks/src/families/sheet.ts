/** What a sheet of samples shows of a family: its answer about each sample beside what is expected. */
import type { RecordBatch } from '@polygate/stream';
import type { SplitContext } from '../evaluation/context.ts';

/** The split that the samples are of, and the model that is asked. */
export type SheetContext = Pick<SplitContext, 'model' | 'data' | 'dataset' | 'split'>;

export interface SheetAnswer {
  readonly answer: string;
  readonly expected: string;
}

/** A family's part of a sheet. */
export interface FamilySheet {
  /** Before each answer, such as `class`. */
  readonly label: string;
  /** One answer for each row of a batch of the split, in their order. */
  answers(context: SheetContext, batch: RecordBatch): Promise<readonly SheetAnswer[]>;
}
