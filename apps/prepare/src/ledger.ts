/** The list of bad samples of one preparation: each with its reason, and limits that stop a job gone wrong. */
import { appendFile } from 'node:fs/promises';
import { StateError } from '@polygate/core';
import type { Fault } from '@polygate/datasets';

/** Samples seen before the rate is judged: a single fault among the first few says nothing. */
const MIN_SAMPLES = 200;
/** Lines kept in memory before they are written. */
const BUFFERED_LINES = 512;

export interface LedgerOptions {
  /** quarantine.jsonl */
  readonly path: string;
  /** Share of bad samples that stops the job. */
  readonly rate: number;
  /** Bad samples in a row that stop the job. */
  readonly run: number;
}

/** Counts good samples and keeps the bad ones of one dataset after the other. */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #counts = new Map<string, number>();
  #dataset = '';
  #good = 0;
  #bad = 0;
  #run = 0;
  #lines: string[] = [];

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Begins a dataset: rate and run are judged for each on its own. */
  begin(dataset: string): void {
    this.#dataset = dataset;
    this.#good = 0;
    this.#bad = 0;
    this.#run = 0;
  }

  good(): void {
    this.#good += 1;
    this.#run = 0;
  }

  /** Adds a bad sample. @throws StateError at a limit */
  bad(fault: Fault): void {
    this.#counts.set(fault.code, (this.#counts.get(fault.code) ?? 0) + 1);
    this.#lines.push(
      JSON.stringify({ dataset: this.#dataset, id: fault.id, code: fault.code, reason: fault.reason }),
    );
    this.#bad += 1;
    this.#run += 1;
    if (this.#run > this.#options.run)
      this.#stop(fault, `at most ${this.#options.run} bad samples in a row, got more`);
    const seen = this.#good + this.#bad;
    if (seen >= MIN_SAMPLES && this.#bad > this.#options.rate * seen) {
      this.#stop(fault, `at most ${this.#options.rate * 100} % bad samples, got ${this.#bad} of ${seen}`);
    }
  }

  /** Samples left out, by reason, in alphabetical order. */
  counts(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Writes what is buffered; call now and then. */
  async flush(force = false): Promise<void> {
    if (this.#lines.length === 0 || (!force && this.#lines.length < BUFFERED_LINES)) return;
    const text = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    await appendFile(this.#options.path, text);
  }

  #stop(last: Fault, problem: string): never {
    const reasons = Object.entries(this.counts()).map(([code, count]) => `${code} ${count}`);
    throw new StateError(
      `prepare ${this.#dataset}: expected ${problem} (${reasons.join(', ')}; last: ${last.id}: ${last.reason}); check the source, or raise limits.rate and limits.run`,
      { code: 'quarantine-limit', fields: { dataset: this.#dataset, counts: this.counts() } },
    );
  }
}
