/** Curves of training and validation, one panel for each task, so that tasks with other scales don't flatten each other. */
import {
  gridFigure,
  lineChart,
  smoothCurve,
  thinCurve,
  type CurvePoint,
  type Figure,
  type LineSeries,
} from '@polygate/figures';
import type { MetricsLog } from './metrics-log.ts';
import { formatValue } from '../numbers.ts';

/** A run as figures know it. */
export interface NamedLog {
  readonly name: string;
  readonly log: MetricsLog;
  /** Names of its tasks in the order of the recipe. */
  readonly tasks: readonly string[];
}

const COLUMNS = 3;
const MOST_POINTS = 400;
/** Width of the smoothing window (standard deviation) as a share of a curve's points. */
const SMOOTHING = 0.02;
/** Beyond this ratio of the largest to the smallest loss an axis is logarithmic. */
const LOG_RATIO = 20;

/** The smoothed curve, from which the last value is taken too. */
const smoothLoss = (points: readonly CurvePoint[]): readonly CurvePoint[] =>
  smoothCurve(points, Math.max(1, SMOOTHING * points.length));

const axisKind = (points: readonly CurvePoint[]): 'log' | 'linear' => {
  const values = points.map(({ y }) => y).filter((y) => Number.isFinite(y));
  const low = Math.min(...values);
  return low > 0 && Math.max(...values) / low > LOG_RATIO ? 'log' : 'linear';
};

/** Tasks with a loss: in the order of the recipes, then those that no recipe names. */
const tasksOf = (logs: readonly NamedLog[]): readonly string[] => {
  const trained = new Set(logs.flatMap(({ log }) => [...log.losses.keys()]));
  const ordered = new Set([...logs.flatMap(({ tasks }) => tasks), ...trained]);
  return [...ordered].filter((task) => trained.has(task));
};

/** Training losses by task, smoothed over their raw values. @returns undefined when no task has a loss */
export const lossFigure = (logs: readonly NamedLog[]): Figure | undefined => {
  const panels = tasksOf(logs).map((task) => {
    const series = logs.flatMap(({ name, log }, style): LineSeries[] => {
      const raw = log.losses.get(task);
      if (!raw || raw.length === 0) return [];
      return [
        { name, style, points: thinCurve(smoothLoss(raw), MOST_POINTS), raw: thinCurve(raw, MOST_POINTS) },
      ];
    });
    return lineChart(series, {
      title: task,
      x: { label: 'step' },
      y: { label: 'loss', kind: axisKind(series.flatMap(({ raw = [] }) => raw)) },
      legend: logs.length > 1,
    });
  });
  if (panels.length === 0) return undefined;
  return gridFigure(panels, {
    title: 'Training loss by task',
    description: panels.map(({ title, description }) => `${title}: ${description}`).join('. '),
    columns: COLUMNS,
  });
};

/** Splits `a/b/split/loss` into its task, split and measure. */
const validationName = (name: string): { task: string; split: string; measure: string } | undefined => {
  const parts = name.split('/');
  const measure = parts.at(-1);
  const split = parts.at(-2);
  if (parts.length < 3 || measure === undefined || split === undefined) return undefined;
  return { task: parts.slice(0, -2).join('/'), split, measure };
};

/** Validation curves of one measure, a panel for each task. @returns undefined when there are none */
export const validationFigure = (logs: readonly NamedLog[], measure: string): Figure | undefined => {
  const byTask = new Map<string, LineSeries[]>();
  for (const [run, { name, log }] of logs.entries()) {
    for (const [key, points] of log.validation) {
      const panel = validationName(key);
      if (!panel || panel.measure !== measure) continue;
      const list = byTask.get(panel.task) ?? [];
      list.push({
        name: logs.length > 1 ? `${panel.split}, ${name}` : panel.split,
        points,
        dots: true,
        // With two runs, colour tells the run; the splits of a run follow each other.
        style:
          logs.length > 1 ? run + 2 * list.filter((each) => each.name.endsWith(name)).length : list.length,
      });
      byTask.set(panel.task, list);
    }
  }
  if (byTask.size === 0) return undefined;
  const panels = [...byTask].map(([task, series]) =>
    lineChart(series, {
      title: task,
      x: { label: 'step', include: [0] },
      y: { label: measure },
      legend: true,
    }),
  );
  return gridFigure(panels, {
    title: `Validation ${measure} by task`,
    description: panels.map(({ title, description }) => `${title}: ${description}`).join('. '),
    columns: COLUMNS,
  });
};

export interface FinalLoss {
  readonly task: string;
  /** Smoothed loss at the end, by run; NaN where a run has no such task. */
  readonly losses: readonly number[];
  /** The same as text. */
  readonly cells: readonly string[];
}

/** Smoothed losses at the end of each run. */
export const finalLosses = (logs: readonly NamedLog[]): readonly FinalLoss[] =>
  tasksOf(logs).map((task) => {
    const losses = logs.map(({ log }) => smoothLoss(log.losses.get(task) ?? []).at(-1)?.y ?? NaN);
    return { task, losses, cells: losses.map(formatValue) };
  });
