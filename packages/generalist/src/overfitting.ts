/** Overfitting, read from a run's metrics: the training loss goes on falling while the held-out one rises. */
import { METRICS_FILE, readMetricRecords } from '@polygate/training';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Share by which a held-out loss must be above its best, at both of the last two validations behind it. */
const LEAST_RISE = 0.03;

/** One held-out split that a task overfits. Losses are means over the training since the validation before. */
export interface Overfitting {
  readonly task: string;
  readonly split: string;
  /** Step of the lowest held-out loss. */
  readonly bestStep: number;
  readonly lastStep: number;
  readonly heldOut: { readonly best: number; readonly last: number };
  readonly training: { readonly best: number; readonly last: number };
}

interface Point {
  readonly step: number;
  readonly loss: number;
}

const mean = (points: readonly Point[]): number =>
  points.reduce((sum, { loss }) => sum + loss, 0) / points.length;

const push = (into: Map<string, Point[]>, key: string, point: Point): void => {
  const series = into.get(key);
  if (series) series.push(point);
  else into.set(key, [point]);
};

const judge = (name: string, validated: readonly Point[], trained: readonly Point[]): Overfitting[] => {
  const cut = name.lastIndexOf('/');
  const low = Math.min(...validated.map(({ loss }) => loss));
  const best = validated.findIndex(({ loss }) => loss === low);
  const behind = validated.slice(best + 1);
  const last = behind.at(-1);
  if (!last || behind.slice(-2).some(({ loss }) => !(loss > low + LEAST_RISE * Math.abs(low)))) return [];
  // A task is not drawn in every step: the window before a validation is that since the one before it.
  const since = (index: number): number =>
    mean(
      trained.filter(
        ({ step }) => step > (validated[index - 1]?.step ?? 0) && step <= (validated[index]?.step ?? 0),
      ),
    );
  const training = { best: since(best), last: since(validated.length - 1) };
  if (!(training.last < training.best)) return [];
  return [
    {
      task: name.slice(0, cut),
      split: name.slice(cut + 1),
      bestStep: validated[best]?.step ?? 0,
      lastStep: last.step,
      heldOut: { best: low, last: last.loss },
      training,
    },
  ];
};

/** Tasks and splits that overfit, by records of metrics.jsonl in their order. */
export const overfittingOf = async (
  records: AsyncIterable<Readonly<Record<string, unknown>> | undefined>,
): Promise<readonly Overfitting[]> => {
  const trained = new Map<string, Point[]>();
  const validated = new Map<string, Point[]>();
  for await (const record of records) {
    if (!record) continue;
    const { step, kind, task, loss } = record;
    if (typeof step !== 'number') continue;
    if (kind === 'train' && typeof task === 'string' && typeof loss === 'number') {
      push(trained, task, { step, loss });
    } else if (kind === 'validation') {
      for (const [name, value] of Object.entries(record)) {
        if (!name.endsWith('/loss') || typeof value !== 'number') continue;
        push(validated, name.slice(0, -'/loss'.length), { step, loss: value });
      }
    }
  }
  return [...validated].flatMap(([name, points]) =>
    judge(name, points, trained.get(name.slice(0, name.lastIndexOf('/'))) ?? []),
  );
};

/** {@link overfittingOf} a run folder; none for a folder without metrics. */
export const readOverfitting = async (run: string): Promise<readonly Overfitting[]> => {
  const path = join(run, METRICS_FILE);
  return (await stat(path).catch(() => undefined)) ? overfittingOf(readMetricRecords(path)) : [];
};

/** One line for people. */
export const describeOverfitting = ({ task, split, ...figures }: Overfitting): string => {
  const { bestStep, lastStep, heldOut, training } = figures;
  const number = (value: number): string => value.toPrecision(3);
  return `overfitting: ${task}: the held-out loss (${split}) was lowest after step ${bestStep} (${number(heldOut.best)}) and is ${number(heldOut.last)} after step ${lastStep}, while the training loss fell from ${number(training.best)} to ${number(training.last)}`;
};
