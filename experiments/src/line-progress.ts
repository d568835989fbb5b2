/** Progress of a run in a child process as lines, and the processor time of an update on the way. */
import type { Progress, ProgressReport } from '@polygate/core';
import { processorMs } from './scoring.ts';

/** Steps between two lines of progress. */
const REPORT_EVERY = 100;

/** `stepMs` is the mean over the updates that this process made; NaN for fewer than two. */
export const lineProgress = (report: (text: string) => void): Progress & { stepMs(): number } => {
  let first: { readonly step: number; readonly ms: number } | undefined;
  let last = { step: 0, ms: 0 };
  return {
    update({ step, steps, losses, secondsLeft }: ProgressReport) {
      last = { step, ms: processorMs() };
      first ??= last;
      if (step % REPORT_EVERY !== 0 && step !== steps) return;
      const shown = Object.entries(losses).map(([name, loss]) => `${name} ${loss.toFixed(3)}`);
      report(`step ${step} of ${steps}, ${shown.join(', ')}, ${Math.round(secondsLeft)} s left`);
    },
    note() {},
    stop() {},
    stepMs: () => (first && last.step > first.step ? (last.ms - first.ms) / (last.step - first.step) : NaN),
  };
};
