/** Tables of interference, dense beside experts, as markdown. */
import type { ExperimentResults, InterferenceAt, RunResult } from './results.ts';
import { halfInterval, partnerOf, spreadOf } from './statistics.ts';
import { runsOf, spreadText, table } from './tables.ts';

type Site = InterferenceAt['sites'][number];
type Matrix = Site['firstOrder'];

const checkpointsOf = ({ runs }: ExperimentResults): readonly string[] => [
  ...new Set(runs.flatMap(({ interference = [] }) => interference.map(({ checkpoint }) => checkpoint))),
];

const at = ({ interference = [] }: RunResult, checkpoint: string): InterferenceAt | undefined =>
  interference.find((record) => record.checkpoint === checkpoint);

const ratioOf = (matrix: Matrix, i: number, j: number): number => matrix.cells[i]?.[j]?.ratio.value ?? NaN;

/** All pairs of different tasks: whose loss, whose step. */
const pairsOf = ({ tasks }: ExperimentResults): readonly (readonly [number, number])[] =>
  tasks.flatMap((_, i) => tasks.flatMap((__, j) => (i === j ? [] : [[i, j] as const])));

/** One row a checkpoint, site and pair of tasks: what a step of j does to i, mean over seeds with deviation. */
export const interferenceTable = (results: ExperimentResults): string => {
  const { tasks, variants } = results;
  const rows = checkpointsOf(results).flatMap((checkpoint) => {
    const places = new Map<string, Site>();
    for (const run of results.runs)
      for (const site of at(run, checkpoint)?.sites ?? []) places.set(`${site.layer}/${site.linear}`, site);
    const cell = (variant: string, wanted: Site, pick: (site: Site) => number | undefined): string => {
      const values = runsOf(results, variant).flatMap((run) => {
        const site = at(run, checkpoint)?.sites.find(
          ({ layer, linear }) => layer === wanted.layer && linear === wanted.linear,
        );
        return site ? (pick(site) ?? []) : [];
      });
      return values.length === 0 ? '' : spreadText(spreadOf(values), 3);
    };
    return [...places.values()].flatMap((site) =>
      pairsOf(results).map(([i, j]) => [
        checkpoint,
        `layer ${site.layer} of ${site.layers}, ${site.linear}`,
        tasks[i] ?? '',
        tasks[j] ?? '',
        ...variants.flatMap(({ name }) => [
          cell(name, site, ({ firstOrder }) => ratioOf(firstOrder, i, j)),
          cell(name, site, ({ exact }) => (exact ? ratioOf(exact, i, j) : undefined)),
        ]),
      ]),
    );
  });
  return table(
    [
      'checkpoint',
      'weights',
      'loss of',
      'step of',
      ...variants.flatMap(({ label }) => [`${label}, first order`, `${label}, exact`]),
    ],
    rows,
  );
};

/** Mean over all pairs of a run's matrix of updates; NaN where there is none. */
const meanOfUpdates = (results: ExperimentResults, run: RunResult, checkpoint: string): number => {
  const matrix = at(run, checkpoint)?.model?.updates;
  return matrix ? spreadOf(pairsOf(results).map(([i, j]) => ratioOf(matrix, i, j))).mean : NaN;
};

/**
 * One row a checkpoint and pair of tasks: what updates of j alone do to i, and the mean over all pairs, with the interval
 * of its difference from the baseline's run of the same seed.
 */
export const updatesTable = (results: ExperimentResults): string => {
  const { tasks, baseline } = results;
  const variants = results.variants.filter(({ name }) => runsOf(results, name).length > 0);
  const rows = checkpointsOf(results).flatMap((checkpoint) => {
    const pairs = pairsOf(results).map(([i, j]) => [
      checkpoint,
      tasks[i] ?? '',
      tasks[j] ?? '',
      ...variants.map(({ name }) => {
        const values = runsOf(results, name).flatMap((run) => {
          const matrix = at(run, checkpoint)?.model?.updates;
          return matrix ? [ratioOf(matrix, i, j)] : [];
        });
        return values.length === 0 ? '' : spreadText(spreadOf(values), 2);
      }),
    ]);
    const means = variants.map(({ name }) => {
      const runs = runsOf(results, name);
      const spread = spreadOf(runs.map((run) => meanOfUpdates(results, run, checkpoint)));
      if (name === baseline) return spreadText(spread, 2);
      const gains = spreadOf(
        runs.map(
          (run) =>
            meanOfUpdates(results, run, checkpoint) -
            meanOfUpdates(results, partnerOf(run, results.runs, baseline), checkpoint),
        ),
      );
      const half = halfInterval(gains);
      const interval = `${(gains.mean - half).toFixed(2)} to ${(gains.mean + half).toFixed(2)}`;
      return `${spreadText(spread, 2)}; above ${baseline} by ${gains.mean.toFixed(2)} (${interval})`;
    });
    return [...pairs, [checkpoint, 'mean of all', '', ...means]];
  });
  return table(['checkpoint', 'loss of', 'updates of', ...variants.map(({ label }) => label)], rows);
};

/** Updates in a row, rounds and rates of the first run, for the text. */
export const updatesText = ({ runs }: ExperimentResults): string => {
  const [first] = runs.flatMap(({ interference = [] }) => [interference]);
  const rates = (first ?? []).map(
    ({ checkpoint, learningRate }) => `${(learningRate ?? NaN).toPrecision(2)} at ${checkpoint}`,
  );
  return `${first?.[0]?.updates ?? 0} updates of all weights in a row on one task alone, from the checkpoint, with the run’s optimizer as it stood (rate ${rates.join(', ')}), ${first?.[0]?.rounds ?? 0} rounds a task`;
};
