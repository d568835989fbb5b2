/** Tables of results, as markdown. Nothing in them is typed by hand. */
import type { ScoredMetric } from './experiment.ts';
import type { ExperimentResults, RunResult } from './results.ts';
import { halfInterval, normalisedScore, partnerOf, scoreOf, spreadOf, type Spread } from './statistics.ts';

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, at) => (at === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');

export const spreadText = ({ mean, deviation }: Spread, digits: number): string =>
  Number.isFinite(deviation)
    ? `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`
    : mean.toFixed(digits);

export const runsOf = (results: ExperimentResults, variant: string): readonly RunResult[] =>
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
