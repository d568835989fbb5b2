/**
 * The list of samples that could not be used, with reasons. Nothing vanishes uncounted, and a data set that is broken
 * rather than blemished stops the job: by the share of bad samples, or by too many of them in a row.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError, StateError } from '@polygate/core';
import { makeFolderSync, writeError } from '@polygate/core/node';

/** When a quarantine stops the job, and where it lists what it holds. */
export interface QuarantineOptions {
  /** Largest share of bad samples, 0 to 1; looked at after `minimumSamples` and at `finish`. @default 0.05 */
  readonly maxRate?: number;
  /** Most bad samples in a row. @default 100 */
  readonly maxRun?: number;
  /** Samples before the share is looked at. @default 200 */
  readonly minimumSamples?: number;
  /** File that gets one JSON line per bad sample; an older one is replaced. */
  readonly path?: string;
}

/** Counts of a quarantine. */
export interface QuarantineReport {
  readonly accepted: number;
  readonly rejected: number;
  /** Bad samples by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly path?: string;
}

/** A counted list of bad samples; close it when done. */
export interface Quarantine extends Disposable {
  /** Counts `count` good samples; ends a run of bad ones. */
  accept(count?: number): void;
  /**
   * Lists a bad sample. `reason` is a short phrase to count by; `detail` says more about this one.
   * @throws StateError at a limit, naming the counts by reason and the file
   */
  add(id: string, reason: string, detail?: string): void;
  report(): QuarantineReport;
  /** Looks at the share over all samples, however few, and closes the file. @throws StateError over the limit */
  finish(): QuarantineReport;
  /** Closes the file without judging. */
  close(): void;
}

class OpenQuarantine implements Quarantine {
  readonly #maxRate: number;
  readonly #maxRun: number;
  readonly #minimumSamples: number;
  readonly #path: string | undefined;
  readonly #reasons = new Map<string, number>();
  #file: number | undefined;
  #accepted = 0;
  #rejected = 0;
  #run = 0;

  constructor({ maxRate = 0.05, maxRun = 100, minimumSamples = 200, path }: QuarantineOptions) {
    if (!(maxRate >= 0 && maxRate <= 1) || !(maxRun >= 1) || !(minimumSamples >= 1)) {
      throw new ConfigError(
        `quarantine: expected maxRate of 0 to 1, maxRun and minimumSamples of at least 1, got ${maxRate}, ${maxRun} and ${minimumSamples}`,
      );
    }
    this.#maxRate = maxRate;
    this.#maxRun = maxRun;
    this.#minimumSamples = minimumSamples;
    this.#path = path;
    if (path !== undefined) {
      this.#file = this.#guard(path, () => {
        makeFolderSync(dirname(path));
        return openSync(path, 'w');
      });
    }
  }

  accept(count = 1): void {
    this.#accepted += count;
    if (count > 0) this.#run = 0;
  }

  add(id: string, reason: string, detail?: string): void {
    this.#rejected += 1;
    this.#run += 1;
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
    const file = this.#file;
    if (file !== undefined) {
      const line = JSON.stringify({ id, reason, ...(detail === undefined ? {} : { detail }) });
      // One write per line, at once: the list is whole up to the last bad sample even when the process is killed.
      this.#guard(this.#path ?? '', () => writeSync(file, `${line}\n`));
    }
    if (this.#run > this.#maxRun) this.#stop(`${this.#run} bad samples in a row (limit ${this.#maxRun})`);
    if (this.#accepted + this.#rejected >= this.#minimumSamples) this.#checkRate();
  }

  report(): QuarantineReport {
    return {
      accepted: this.#accepted,
      rejected: this.#rejected,
      reasons: Object.fromEntries(this.#reasons),
      ...(this.#path === undefined ? {} : { path: this.#path }),
    };
  }

  finish(): QuarantineReport {
    this.close();
    this.#checkRate();
    return this.report();
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkRate(): void {
    const total = this.#accepted + this.#rejected;
    const rate = total === 0 ? 0 : this.#rejected / total;
    if (rate > this.#maxRate) {
      this.#stop(
        `${this.#rejected} bad samples of ${total} (${(100 * rate).toFixed(1)} %, limit ${100 * this.#maxRate} %)`,
      );
    }
  }

  #stop(what: string): never {
    const reasons = [...this.#reasons]
      .sort((a, b) => b[1] - a[1])
      .map(([reason, count]) => `${reason}: ${count}`);
    throw new StateError(
      `quarantine: expected fewer bad samples, got ${what}; by reason: ${reasons.join(', ')}. ` +
        `${this.#path === undefined ? 'Correct the data' : `See ${this.#path}, correct the data`} or raise the limit`,
      { code: 'quarantine-limit', fields: { ...this.report() } },
    );
  }

  #guard<T>(path: string, action: () => T): T {
    try {
      return action();
    } catch (cause) {
      throw writeError(path, cause);
    }
  }
}

/** A quarantine. @throws ConfigError for unusable limits; StateError when the file can't be written */
export const createQuarantine = (options: QuarantineOptions = {}): Quarantine => new OpenQuarantine(options);
