/** Which updates of a training are looked at closely: telemetry costs, so it stays off the hot path. */

/** Settings of {@link createTelemetrySchedule}. */
export interface TelemetryScheduleOptions {
  /** Steps of a stretch, at least 1. */
  readonly every: number;
  /** Task of an update, counted from 0. */
  readonly taskOf: (step: number) => string;
}

/**
 * Whether an update is looked at: the first of its task in its stretch of `every` updates is. A pure function of the
 * step, so that a run that was resumed looks at the same ones; cheap where steps are asked in their order.
 */
export const createTelemetrySchedule = ({
  every,
  taskOf,
}: TelemetryScheduleOptions): ((step: number) => boolean) => {
  let stretch = -1;
  let next = 0;
  /** First update of each task in the stretch, of those before `next`. */
  let firsts = new Map<string, number>();
  return (step) => {
    const current = Math.floor(step / every);
    if (current !== stretch) {
      stretch = current;
      next = current * every;
      firsts = new Map();
    }
    for (; next <= step; next += 1) {
      const task = taskOf(next);
      if (!firsts.has(task)) firsts.set(task, next);
    }
    return firsts.get(taskOf(step)) === step;
  };
};
