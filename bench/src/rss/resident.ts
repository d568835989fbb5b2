/** Resident memory of a process of a bench, and what it says when its work is done. */

export const MEGABYTE = 2 ** 20;

/** What a child of the case `rss` prints as its last line. */
export interface ResidentReport {
  readonly name: string;
  /** What was found right before the numbers were believed. */
  readonly validated: string;
  /** Resident megabytes that all others are measured against. */
  readonly settledMegabytes: number;
  /** Resident megabytes of each later window or phase, by name. */
  readonly laterMegabytes: Readonly<Record<string, number>>;
  /** Megabytes above the settled ones that the case allows. */
  readonly allowedMegabytes: number;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Resident megabytes after a collection, so that garbage of JavaScript does not count. Needs `--expose-gc`. */
export const residentMegabytes = (): number => {
  globalThis.gc?.();
  return process.memoryUsage.rss() / MEGABYTE;
};

export const report = (result: ResidentReport): void => {
  process.stdout.write(`${JSON.stringify(result)}\n`);
};
