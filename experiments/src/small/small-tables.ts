/** Tables of an experiment on small sets, as markdown. */
import { halfInterval, spreadOf } from '../statistics.ts';
import { spreadText, table } from '../tables.ts';
import type { SmallResults } from './small-results.ts';
import type { SmallRun } from './small-run.ts';

const runsOf = ({ runs }: SmallResults, set: string, variant: string): readonly SmallRun[] =>
  runs.filter((run) => run.set === set && run.variant === variant);

/** Variants that any run has. */
const shownVariants = (results: SmallResults): SmallResults['variants'] =>
  results.variants.filter(({ name }) => results.runs.some(({ variant }) => variant === name));

/** Sets that any run has. */
const shownSets = (results: SmallResults): SmallResults['sets'] =>
  results.sets.filter(({ name }) => results.runs.some(({ set }) => set === name));

/** What the sets are. */
export const setTable = (results: SmallResults): string =>
  table(
    ['set', 'images', 'classes', 'train, validation, test', 'pixels'],
    shownSets(results).map(({ label, what, classes, samples, size }) => [
      label,
      what,
      String(classes),
      ['train', 'validation', 'test'].map((split) => samples[split] ?? 0).join(', '),
      String(size),
    ]),
  );

/** A row a set: simple systems, and the accuracy of each variant. */
export const smallTable = (results: SmallResults): string => {
  const variants = shownVariants(results);
  return table(
    ['set', 'samples', 'majority', 'nearest pixels', ...variants.map(({ label }) => label)],
    shownSets(results).map(({ name, label, samples, baselines }) => [
      label,
      String(samples['train'] ?? 0),
      (baselines['majority'] ?? Number.NaN).toFixed(3),
      (baselines['pixelNearestNeighbour'] ?? Number.NaN).toFixed(3),
      ...variants.map((variant) => {
        const values = runsOf(results, name, variant.name).map(({ score }) => score.value);
        return values.length === 0 ? '' : spreadText(spreadOf(values), 3);
      }),
    ]),
  );
};

/** Differences of a variant from the baseline, run by run of the same set and seed. */
const differences = (
  results: SmallResults,
  variant: string,
  set?: string,
): readonly { readonly set: string; readonly value: number }[] =>
  results.runs
    .filter((run) => run.variant === variant && run.set === (set ?? run.set))
    .flatMap((run) => {
      const partner = results.runs.find(
        (each) => each.variant === results.baseline && each.set === run.set && each.seed === run.seed,
      );
      return partner ? [{ set: run.set, value: run.score.value - partner.score.value }] : [];
    });

const intervalText = (values: readonly number[]): string => {
  if (values.length === 0) return '';
  const spread = spreadOf(values);
  const half = halfInterval(spread);
  const mean = spread.mean.toFixed(3);
  return Number.isFinite(half)
    ? `${mean} [${(spread.mean - half).toFixed(3)}, ${(spread.mean + half).toFixed(3)}]`
    : mean;
};

const meanText = (values: readonly number[]): string =>
  values.length === 0 ? '' : spreadText(spreadOf(values), 3);

/** A row a variant: how far it is from the baseline on each set, and what it costs. */
export const differenceTable = (results: SmallResults): string => {
  const sets = shownSets(results);
  const baseline = results.variants.find(({ name }) => name === results.baseline)?.label ?? results.baseline;
  const rows = shownVariants(results).map(({ name, label }) => {
    const runs = results.runs.filter(({ variant }) => variant === name);
    const cells =
      name === results.baseline
        ? [...sets.map(() => '0'), '0']
        : [
            ...sets.map((set) =>
              intervalText(differences(results, name, set.name).map(({ value }) => value)),
            ),
            meanText(differences(results, name).map(({ value }) => value)),
          ];
    return [
      label,
      ...cells,
      spreadOf(runs.map(({ steps }) => steps)).mean.toFixed(0),
      spreadOf(runs.map(({ seconds }) => seconds)).mean.toFixed(0),
    ];
  });
  return table(
    [`over ${baseline}`, ...sets.map(({ label }) => label), 'mean over sets', 'steps', 'seconds of a core'],
    rows,
  );
};
