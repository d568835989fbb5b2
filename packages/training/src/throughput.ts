/**
 * Rates and smoothed losses for the display. Nothing here feeds back into training.
 */
import type { ProgressReport } from '@polygate/core';

/** Updates over which rates are measured. */
const WINDOW = 50;
/** Weight of the past in a task's smoothed loss. */
const SMOOTHING = 0.9;

/** One finished update. */
interface Measured {
  readonly step: number;
  readonly task: string;
  readonly loss: number;
  readonly samples: number;
  readonly tokens: number;
}

/** Takes updates as they end and says how fast the run is. */
export interface Throughput {
  /** What there is to show before a step was made. */
  start(step: number): ProgressReport;
  add(measured: Measured): ProgressReport;
  /** Leaves out of the rates the time since the last update: validation and checkpoints. */
  pause(): void;
  readonly losses: Readonly<Record<string, number>>;
}

/** @param clock milliseconds that never go back */
export const createThroughput = (steps: number, clock: () => number): Throughput => {
  // By the users' names of tasks, so without the keys that objects inherit.
  const losses = Object.create(null) as Record<string, number>;
  const window: { readonly milliseconds: number; readonly samples: number; readonly tokens: number }[] = [];
  let last = clock();
  return {
    losses,
    start: (step) => ({
      step,
      steps,
      losses: {},
      samplesPerSecond: 0,
      tokensPerSecond: 0,
      secondsLeft: Number.NaN,
    }),
    pause() {
      last = clock();
    },
    add({ step, task, loss, samples, tokens }) {
      const now = clock();
      window.push({ milliseconds: now - last, samples, tokens });
      if (window.length > WINDOW) window.shift();
      last = now;
      const before = losses[task];
      losses[task] = before === undefined ? loss : SMOOTHING * before + (1 - SMOOTHING) * loss;
      const sum = (key: 'milliseconds' | 'samples' | 'tokens'): number =>
        window.reduce((total, entry) => total + entry[key], 0);
      const seconds = Math.max(sum('milliseconds') / 1000, 1e-9);
      return {
        step,
        steps,
        losses: { ...losses },
        samplesPerSecond: sum('samples') / seconds,
        tokensPerSecond: sum('tokens') / seconds,
        secondsLeft: ((steps - step) * seconds) / window.length,
      };
    },
  };
};
