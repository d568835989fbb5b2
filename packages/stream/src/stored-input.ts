/** One input of a multimodal dataset, as a suite describes it: what is stored of it, and what the training split has. */

/** Mean and deviation of a number over the training split; one that is constant has a deviation of 0. */
export interface NumberStatistics {
  readonly mean: number;
  readonly deviation: number;
}

/** A column of a table. */
export type TableColumn =
  | { readonly name: string; readonly kind: 'number' }
  | {
      readonly name: string;
      readonly kind: 'category';
      /** In the order of their indices. */
      readonly values: readonly string[];
    };

/** Plain JSON. */
export interface StoredInput {
  /** Name of its modality. */
  readonly modality: string;
  /** How it lies in rows: lists of numbers, square images, or ids of texts; `audio` is a list of numbers, too. */
  readonly form: string;
  /** Name of the column of the table that it was read from, where that is one. */
  readonly column?: string;
  /** Axes of a sample's array; null where lengths differ, on the first alone. Absent for images and texts. */
  readonly shape?: readonly (number | null)[];
  /** Columns of a table. */
  readonly columns?: readonly TableColumn[];
  /** How recordings became spectrograms. */
  readonly spectrogram?: Readonly<Record<string, number>>;
  /** Of each index of the last axis, over the training split. */
  readonly statistics?: readonly NumberStatistics[];
  /** Of all numbers, over the training split. */
  readonly overall?: NumberStatistics;
  /** Whether numbers are missing in the training split, beside whole inputs. */
  readonly gaps?: boolean;
  /** Longest first axis in the training split. */
  readonly longest?: number;
}
