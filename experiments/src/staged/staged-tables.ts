/** Tables of a staged experiment, as markdown, like the paper's Tables 4 and 5. Nothing in them is typed by hand. */
import { halfInterval, spreadOf } from '../statistics.ts';
import { spreadText, table } from '../tables.ts';
import type { StagedResults, StagedRow, StageScore } from './staged-results.ts';
import { stages, type Stage } from './stages.ts';

const heads: Readonly<Record<Stage, string>> = { untuned: 'WT', prompt: 'PT 1 %', fine: 'FT 100 %' };

interface Cell {
  readonly variant: string;
  readonly stage: Stage;
}

/** Scores of a row at a stage by seed. */
const bySeed = (
  { runs }: StagedResults,
  row: string,
  { variant, stage }: Cell,
): ReadonlyMap<number, StageScore> =>
  new Map(
    runs
      .filter((run) => run.variant === variant)
      .flatMap(({ seed, scores }) =>
        scores
          .filter((score) => score.task === row && score.stage === stage)
          .map((score) => [seed, score] as const),
      ),
  );

/** The best of the simple systems that were measured beside any of the row's scores; chance where there is none. */
export const bestBaseline = (
  { runs }: Pick<StagedResults, 'runs'>,
  row: string,
): { readonly name: string; readonly value: number } | undefined => {
  const [score] = runs.flatMap(({ scores }) => scores.filter(({ task }) => task === row));
  if (!score) return undefined;
  const all = Object.entries(score.baselines).map(([name, value]) => ({ name, value }));
  if (score.chance !== null) all.push({ name: 'chance', value: score.chance });
  return all.reduce<(typeof all)[number] | undefined>(
    (best, each) => (best && best.value >= each.value ? best : each),
    undefined,
  );
};

/** One row a task: the best simple system, and each variant untuned, prompt-tuned and fine-tuned, over seeds. */
export const taskTable = (results: StagedResults, rows: readonly StagedRow[]): string => {
  const { variants } = results;
  const head = [
    'task',
    'score',
    'simple system',
    ...variants.flatMap(({ label }) => stages.map((stage) => `${label} ${heads[stage]}`)),
  ];
  const lines = rows.map(({ name, label, metric, split }) => {
    const best = bestBaseline(results, name);
    return [
      label,
      `${metric}, ${split}`,
      best ? `${best.value.toFixed(3)} (${best.name})` : '',
      ...variants.flatMap(({ name: variant }) =>
        stages.map((stage) => {
          const values = Array.from(bySeed(results, name, { variant, stage }).values(), ({ value }) => value);
          return values.length === 0 ? '' : spreadText(spreadOf(values), 3);
        }),
      ),
    ];
  });
  return table(head, lines);
};

/** How far a score is from chance to perfect: (m - chance) / (1 - chance). */
export const aboveChance = ({ value, chance }: Pick<StageScore, 'value' | 'chance'>): number =>
  (value - (chance ?? 0)) / (1 - (chance ?? 0));

/** Mean of {@link aboveChance} over rows by seed, of the seeds that have all rows. */
const meansBySeed = (
  results: StagedResults,
  rows: readonly StagedRow[],
  cell: Cell,
): ReadonlyMap<number, number> => {
  const scores = rows.map(({ name }) => bySeed(results, name, cell));
  const seeds = [...new Set(results.runs.map(({ seed }) => seed))].sort((a, b) => a - b);
  return new Map(
    seeds
      .filter((seed) => rows.length > 0 && scores.every((each) => each.has(seed)))
      .map((seed) => [seed, spreadOf(scores.map((each) => aboveChance(each.get(seed) as StageScore))).mean]),
  );
};

/** Differences of two means, seed by seed. */
const differences = (a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): readonly number[] =>
  [...a].filter(([seed]) => b.has(seed)).map(([seed, value]) => value - (b.get(seed) as number));

const differenceText = (values: readonly number[]): string => {
  if (values.length === 0) return '';
  const spread = spreadOf(values);
  const half = halfInterval(spread);
  const interval = Number.isFinite(half)
    ? ` [${(spread.mean - half).toFixed(3)}, ${(spread.mean + half).toFixed(3)}]`
    : '';
  return `${spread.mean.toFixed(3)}${interval}`;
};

const isTuned =
  (results: StagedResults) =>
  ({ name }: StagedRow): boolean =>
    results.runs.some(({ scores }) => scores.some(({ task, stage }) => task === name && stage !== 'untuned'));

/**
 * Mean over tasks of the way from chance to perfect, of tasks of pre-training and of novel ones; what tuning adds, and what
 * experts add to the baseline, with Student's interval over seeds.
 */
export const summaryTable = (results: StagedResults): string => {
  const { variants, baseline } = results;
  const tuned = results.rows.filter(isTuned(results));
  const groups = [
    { label: 'tasks of pre-training', rows: tuned.filter(({ novel }) => !novel) },
    { label: 'novel tasks', rows: tuned.filter(({ novel }) => novel) },
    { label: 'all', rows: tuned },
  ];
  const lines = groups.flatMap(({ label, rows }) => {
    const at = (variant: string, stage: Stage) => meansBySeed(results, rows, { variant, stage });
    return variants.map(({ name: variant, label: heading }) => [
      label,
      heading,
      ...stages.map((stage) => {
        const values = [...at(variant, stage).values()];
        return values.length === 0 ? '' : spreadText(spreadOf(values), 3);
      }),
      differenceText(differences(at(variant, 'prompt'), at(variant, 'untuned'))),
      differenceText(differences(at(variant, 'fine'), at(variant, 'prompt'))),
      ...stages.map((stage) =>
        variant === baseline ? '' : differenceText(differences(at(variant, stage), at(baseline, stage))),
      ),
    ]);
  });
  const head = [
    'tasks',
    'model',
    ...stages.map((stage) => heads[stage]),
    'PT - WT',
    'FT - PT',
    ...stages.map((stage) => `over ${baseline}, ${heads[stage]}`),
  ];
  return table(head, lines);
};
