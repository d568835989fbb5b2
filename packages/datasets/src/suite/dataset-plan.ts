/** What one dataset of a suite is made of: its readers, how samples fall into splits, and what rows hold. */
import type { KindSettings } from '../kinds/dataset-kind.ts';
import type { Reader, Sample } from '../samples/sample.ts';
import type { SplitPercents } from '../splits/split.ts';
import type { LabelConflicts, SplitOverlap } from './suite.ts';

/** One reader of a dataset. */
export interface PlanPart {
  readonly reader: Reader;
  splitOf(sample: Sample): string;
  /** How splits are drawn that no rule of the dataset gives, until they are settled. */
  readonly draw?: {
    /** Split of all rows. */
    readonly split?: string;
    readonly percents: SplitPercents;
  };
}

/** One dataset to be written. */
export interface DatasetPlan {
  readonly name: string;
  /** Name of the kind of its rows. */
  readonly kind: string;
  /** In the order in which they are written. */
  readonly splits: readonly string[];
  readonly classes?: readonly string[];
  /** Whether the recipe lists the classes, in the order that numbers in the data refer to. @default false */
  readonly classesGiven?: boolean;
  /** Samples that two splits share, also with the training of another dataset. */
  readonly overlaps?: readonly SplitOverlap[];
  /** Samples that show the same under different labels. */
  readonly labelConflicts?: LabelConflicts;
  readonly parts: readonly PlanPart[];
  /** Further utf8 columns. @default none */
  readonly extra?: readonly string[];
  /** Settings of the kind that the source decides, such as `{ pairs: true }`. @default none */
  readonly settings?: KindSettings;
  /** Name of a labelled-image dataset made of the same images. */
  readonly labelledTwin?: string;
  /** Names of the data sources whose licences the suite repeats. @default none */
  readonly packages?: readonly string[];
}
