/** docs/results/<experiment>.json of an experiment on small sets. */
import type { ResultsHead } from '../results.ts';
import type { PreparedSet } from './prepare-sets.ts';
import type { SmallBase } from './small-plan.ts';
import type { SmallRun } from './small-run.ts';

/** A row of the tables. */
export interface SmallRow {
  readonly name: string;
  readonly label: string;
  readonly what: string;
  readonly familiar: boolean;
  readonly classes: number;
  /** Side of its images in pixels. */
  readonly size: number;
  /** Samples by split. */
  readonly samples: Readonly<Record<string, number>>;
  /** Scores of simple systems on the test split. */
  readonly baselines: Readonly<Record<string, number>>;
}

export interface SmallResults extends ResultsHead {
  readonly variants: readonly { readonly name: string; readonly label: string }[];
  /** What variants that tune started from, without its folder. */
  readonly base?: Omit<SmallBase, 'folder'>;
  readonly sets: readonly SmallRow[];
  readonly runs: readonly SmallRun[];
}

/** The row of a set. */
export const rowOf = ({ set, suite }: PreparedSet): SmallRow => {
  const [dataset] = suite.datasets;
  const samples = Object.entries(dataset?.splits ?? {}).map(([split, { rows }]) => [split, rows] as const);
  const { name, label, what, familiar } = set;
  return {
    name,
    label,
    what,
    familiar,
    classes: dataset?.classes?.length ?? 0,
    size: suite.image.width,
    samples: Object.fromEntries(samples),
    baselines: dataset?.baselines?.['test'] ?? {},
  };
};
