/** Tables of results, as markdown. Nothing in them is typed by hand. */
import type { ScoredMetric } from './experiment.ts';
import type { ExperimentResults, RunResult } from './results.ts';
import { halfInterval, normalisedScore, partnerOf, scoreOf, spreadOf, type Spread } from './statistics.ts';

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, at) => (at === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');

const spreadText = ({ mean, deviation }: Spread, digits: number): string =>
  Number.isFinite(deviation)
    ? `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`
    : mean.toFixed(digits);

const runsOf = (results: ExperimentResults, variant: string): readonly RunResult[] =>
  results.runs.filter((run) => run.variant === variant);

/** Normalised scores of a variant in percent, one a seed; the baseline's are 0 by definition. */
export const normalisedPercents = (results: ExperimentResults, variant: string): readonly number[] =>
  runsOf(results, variant).map(
    (run) => 100 * normalisedScore(run, partnerOf(run, results.runs, results.baseline), results.metrics),
  );

const heading = ({ label, better }: ScoredMetric): string => `${label} ${better === 'higher' ? '↑' : '↓'}`;

/** One row a variant: each metric as mean and deviation over seeds, and the normalised score with its interval. */
export const scoreTable = (results: ExperimentResults): string => {
  const { metrics, variants, baseline } = results;
  const rows = variants
    .filter(({ name }) => runsOf(results, name).length > 0)
    .map(({ name, label }) => {
      const runs = runsOf(results, name);
      const gains = spreadOf(normalisedPercents(results, name));
      const half = halfInterval(gains);
      return [
        label,
        ...metrics.map((metric) =>
          spreadText(spreadOf(runs.map((run) => scoreOf(run, metric))), metric.digits ?? 2),
        ),
        name === baseline ? '0' : spreadText(gains, 1),
        name === baseline || !Number.isFinite(half)
          ? ''
          : `${(gains.mean - half).toFixed(1)} to ${(gains.mean + half).toFixed(1)}`,
        String(runs.length),
      ];
    });
  const head = ['', ...metrics.map(heading), 'normalised mean, % ↑', '95 % interval', 'seeds'];
  return table(head, rows);
};

/** One row a variant: parameters, and time and memory as ratios to the baseline's run of the same seed. */
export const priceTable = (results: ExperimentResults): string => {
  const ratio = (variant: string, of: (run: RunResult) => number): string =>
    spreadText(
      spreadOf(
        runsOf(results, variant).map((run) => of(run) / of(partnerOf(run, results.runs, results.baseline))),
      ),
      2,
    );
  const rows = results.variants
    .filter(({ name }) => runsOf(results, name).length > 0)
    .map(({ name, label }) => [
      label,
      `${((runsOf(results, name)[0]?.price.parameters ?? 0) / 1e6).toFixed(3)} M`,
      ratio(name, ({ price }) => price.trainStepMs),
      ratio(name, ({ price }) => price.inferenceMs),
      spreadOf(runsOf(results, name).map(({ price }) => price.peakMegabytes)).mean.toFixed(0),
    ]);
  return table(['', 'parameters', 'training time', 'inference time', 'peak memory of the process, MB'], rows);
};

type Sites = NonNullable<RunResult['interference']>;
type Matrix = Sites[number]['firstOrder'];

/** One row a site and pair of tasks: interference of j on i, mean over seeds with deviation, dense beside MoE. */
export const interferenceTable = (results: ExperimentResults): string => {
  const { tasks, variants } = results;
  const places = [
    ...new Map(
      results.runs
        .flatMap(({ interference = [] }) => interference)
        .map((site) => [`${site.layer}/${site.linear}`, site] as const),
    ).values(),
  ];
  const of = (variant: string, at: Sites[number], pick: (site: Sites[number]) => Matrix | null) =>
    runsOf(results, variant).flatMap(({ interference = [] }) => {
      const site = interference.find(({ layer, linear }) => layer === at.layer && linear === at.linear);
      const matrix = site && pick(site);
      return matrix ? [matrix] : [];
    });
  const cell = (matrices: readonly Matrix[], i: number, j: number): string => {
    const values = matrices.map(({ cells }) => cells[i]?.[j]?.ratio.value ?? Number.NaN);
    return values.length === 0 ? '' : spreadText(spreadOf(values), 3);
  };
  const rows = places.flatMap((place) =>
    tasks.flatMap((loss, i) =>
      tasks.flatMap((step, j) =>
        i === j
          ? []
          : [
              [
                `layer ${place.layer} of ${place.layers}, ${place.linear}`,
                loss,
                step,
                ...variants.flatMap(({ name }) => [
                  cell(
                    of(name, place, ({ firstOrder }) => firstOrder),
                    i,
                    j,
                  ),
                  cell(
                    of(name, place, ({ exact }) => exact),
                    i,
                    j,
                  ),
                ]),
              ],
            ],
      ),
    ),
  );
  return table(
    [
      'weights',
      'loss of',
      'step of',
      ...variants.flatMap(({ label }) => [`${label}, first order`, `${label}, exact`]),
    ],
    rows,
  );
};
