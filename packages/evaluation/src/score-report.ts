/** One score with all that is needed to judge it: interval, chance, baselines, number of samples. */
import { ConfigError, listOf, oneOf, optional, recordOf, ruleOf, rules, shaped } from '@polygate/core';
import { bootstrapStatistic, gatherGroups, type BootstrapOptions, type Interval } from './bootstrap.ts';
import type { ReliabilityBin } from './calibration.ts';
import type { ClassScore } from './class-scores.ts';
import type { CorpusOutcomes } from './corpus-statistics.ts';
import { meanInterval, widestInterval, type MeanOptions } from './mean-interval.ts';

/** What was measured, and what a guess or a simple method reaches. */
export interface ScoreContext {
  /** Task or data set, as people call it. */
  readonly task: string;
  /** Split that was scored. */
  readonly split: string;
  /** Name of the metric, such as `top-1` or `perplexity`. */
  readonly metric: string;
  /** Score of guessing; null where guessing has no meaningful score. */
  readonly chance: number | null;
  /** Scores of simple methods by name. @default none */
  readonly baselines?: Readonly<Record<string, number>>;
  /** What the answers were chosen from, such as the sizes of a gallery. @default nothing is said */
  readonly gallery?: Readonly<Record<string, number>>;
  /** Which way is better. @default 'higher' */
  readonly better?: 'higher' | 'lower';
  /** Whether it says more of what another score of the task says first. @default false */
  readonly detail?: boolean;
  /** Tables that say more of the score. @default none */
  readonly tables?: ScoreTables;
}

/** A class in a table, or an average of all. */
export interface ClassRow extends ClassScore {
  readonly name: string;
  /** Against all other classes; null where the class has no sample, or all have it. */
  readonly auroc: number | null;
  readonly averagePrecision: number | null;
}

/** Tables beside a score. */
export interface ScoreTables {
  readonly classes?: readonly ClassRow[];
  /** Micro, macro and weighted means of the classes. */
  readonly averages?: readonly ClassRow[];
  /** Confidence against accuracy, by bins of confidence. */
  readonly reliability?: readonly ReliabilityBin[];
}

/** What a mean was taken of, for tests between two systems on the same samples. */
export interface SampleOutcomes {
  /** One for each sample, before anything is made of their mean. */
  readonly values: readonly number[];
  /** What samples share; absent where each stands for itself. */
  readonly groups?: readonly (number | string)[];
  /** Which way a value is better; of log probabilities it is higher, though perplexity is better lower. */
  readonly better: 'higher' | 'lower';
}

/** A score, ready to be written as JSON. */
export interface ScoreReport {
  readonly task: string;
  readonly split: string;
  readonly metric: string;
  readonly better: 'higher' | 'lower';
  readonly value: number;
  /** See {@link meanInterval}; an end that is infinite, as the samples do not tell, becomes null in JSON. */
  readonly interval: Interval;
  /** Probability that the interval covers. */
  readonly confidence: number;
  readonly chance: number | null;
  readonly baselines: Readonly<Record<string, number>>;
  /** Sizes of what the answers were chosen from, by name; absent where that says nothing. */
  readonly gallery?: Readonly<Record<string, number>>;
  /** Samples that the value is of. */
  readonly count: number;
  /** Of a mean over samples. */
  readonly outcomes?: SampleOutcomes;
  /** Of a score of a whole corpus that is known by name. */
  readonly corpus?: CorpusOutcomes;
  /** Says more of what another score of the task says first. */
  readonly detail?: true;
  readonly tables?: ScoreTables;
}

/** What a report must be: families of other packages make their own. */
export const scoreReportRule = shaped({
  task: rules.text,
  split: rules.text,
  metric: rules.text,
  better: oneOf('higher', 'lower'),
  value: rules.number,
  interval: ruleOf(
    'two numbers, the lower end first',
    (value) => Array.isArray(value) && value.length === 2 && Number(value[0]) <= Number(value[1]),
  ),
  confidence: rules.number,
  chance: ruleOf('a finite number or null', (value) => value === null || Number.isFinite(value)),
  baselines: recordOf(rules.number),
  gallery: optional(recordOf(rules.number)),
  count: rules.count,
  outcomes: optional(shaped({ values: listOf(rules.number), better: oneOf('higher', 'lower') })),
});

const unbounded: Interval = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];

const checkFinite = ({ metric, task }: ScoreContext, value: number): void => {
  if (Number.isFinite(value)) return;
  throw new ConfigError(
    `score report: expected a finite ${metric} of ${task}, got ${value}; has the model diverged?`,
    { code: 'nan-score' },
  );
};

const assemble = (
  context: ScoreContext,
  measured: Pick<ScoreReport, 'value' | 'interval' | 'count' | 'outcomes' | 'corpus'>,
  options: MeanOptions,
): ScoreReport =>
  Object.freeze({
    task: context.task,
    split: context.split,
    metric: context.metric,
    better: context.better ?? 'higher',
    ...measured,
    confidence: options.confidence ?? 0.95,
    chance: context.chance,
    baselines: Object.freeze({ ...context.baselines }),
    ...(context.gallery ? { gallery: Object.freeze({ ...context.gallery }) } : {}),
    ...(context.detail ? { detail: true as const } : {}),
    ...(context.tables ? { tables: context.tables } : {}),
  });

/** Whether the reported value rises with the mean, by a small step from it into the range. */
const rises = (mean: number, [least]: Interval, transform: (mean: number) => number): boolean => {
  const step = 1e-3 * Math.max(1, Math.abs(mean));
  const [low, high] = mean - step >= least ? [mean - step, mean] : [mean, mean + step];
  return transform(high) >= transform(low);
};

const outcomesOf = (
  perSample: ArrayLike<number>,
  groups: BootstrapOptions['groups'],
  better: 'higher' | 'lower',
): SampleOutcomes =>
  Object.freeze({
    values: Object.freeze(Array.from(perSample)),
    ...(groups ? { groups: Object.freeze(Array.from(groups)) } : {}),
    better,
  });

/**
 * The report of a mean over samples, with the interval of {@link meanInterval}.
 * @param options.transform what is reported of the mean; must rise or fall throughout (perplexity: mean => exp(-mean))
 * @param options.range of the values before they are transformed; without one, zeros and ones count as shares only where
 * nothing is transformed
 * @throws ShapeError for no samples, ConfigError for values that are not finite
 */
export const reportMean = (
  context: ScoreContext,
  perSample: ArrayLike<number>,
  options: MeanOptions & { readonly transform?: (mean: number) => number },
): ScoreReport => {
  const { transform = (mean: number) => mean } = options;
  let sum = 0;
  for (let i = 0; i < perSample.length; i += 1) sum += perSample[i] ?? Number.NaN;
  if (perSample.length > 0) checkFinite(context, transform(sum / perSample.length));
  const range = options.range ?? (options.transform ? unbounded : undefined);
  const [low, high] = meanInterval(perSample, { ...options, ...(range ? { range } : {}) }).map(transform);
  const ends = [low ?? Number.NaN, high ?? Number.NaN] as const;
  const mean = sum / perSample.length;
  const { better = 'higher' } = context;
  const opposite = better === 'higher' ? 'lower' : 'higher';
  return assemble(
    context,
    {
      value: transform(mean),
      interval: Object.freeze(ends[0] <= ends[1] ? ends : ([ends[1], ends[0]] as const)),
      count: perSample.length,
      outcomes: outcomesOf(
        perSample,
        options.groups,
        rises(mean, range ?? unbounded, transform) ? better : opposite,
      ),
    },
    options,
  );
};

/**
 * The report of a statistic of the whole corpus, such as macro-F1 or BLEU-4; see {@link bootstrapStatistic}. Where all
 * resamples agree, the interval is that of a share of as many samples as there are groups, or infinite without a range.
 * @param options.range least and greatest value of the statistic
 */
export const reportStatistic = (
  context: ScoreContext,
  corpus: {
    readonly count: number;
    readonly statistic: (indices: Int32Array) => number;
    /** Scores of the samples by themselves, for paired tests; their mean need not be the statistic. */
    readonly perSample?: ArrayLike<number>;
    /** The statistic by its name with what it is made of, for tests between two runs. */
    readonly named?: Pick<CorpusOutcomes, 'statistic' | 'rows'>;
  },
  options: MeanOptions,
): ScoreReport => {
  const { count, statistic } = corpus;
  const { range = unbounded, confidence = 0.95 } = options;
  const groups = gatherGroups(count, options.groups);
  const value = statistic(Int32Array.from({ length: count }, (_, i) => i));
  checkFinite(context, value);
  const resampled = bootstrapStatistic(count, statistic, options);
  const squares = groups.reduce((sum, group) => sum + group.length ** 2, 0);
  const interval =
    resampled[0] < resampled[1]
      ? resampled
      : widestInterval(value, count ** 2 / squares, { range, confidence });
  const { better = 'higher' } = context;
  const outcomes = corpus.perSample && outcomesOf(corpus.perSample, options.groups, better);
  const named = corpus.named && {
    ...corpus.named,
    ...(options.groups ? { groups: Array.from(options.groups) } : {}),
  };
  return assemble(
    context,
    {
      value,
      interval,
      count,
      ...(outcomes ? { outcomes } : {}),
      ...(named ? { corpus: named } : {}),
    },
    options,
  );
};

/**
 * Whether the whole interval is on the better side of chance; false where there is no chance score, and where an end of
 * the interval is not known.
 */
export const beatsChance = (report: ScoreReport): boolean => {
  const { chance, interval, better } = report;
  if (chance === null || !interval.every(Number.isFinite)) return false;
  return better === 'higher' ? interval[0] > chance : interval[1] < chance;
};
