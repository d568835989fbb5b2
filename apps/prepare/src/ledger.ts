/**
 * The list of bad samples of one preparation, over all of its datasets. Rate and run are judged for each on its own,
 * the rate only from some hundred samples on: of a handful of images one bad one says nothing.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PolygateError, StateError } from '@polygate/core';
import { makeFolderSync, writeError } from '@polygate/core/node';
import type { Fault, SampleNote } from '@polygate/datasets';
import { createQuarantine, type Quarantine } from '@polygate/stream';

export interface LedgerOptions {
  /** File of one JSON line per bad sample. It lies outside of the suite, so that it stays when the job is stopped. */
  readonly path: string;
  /** Share of bad samples that stops the job. */
  readonly rate: number;
  /** Bad samples in a row that stop the job. */
  readonly run: number;
}

/** Ids and reasons hold what others wrote, at any length; the error line shows the beginning. */
const cut = (text: string): string => (text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`);
const MAX_SHOWN = 300;

/** An open list; close it when done. */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #counts = new Map<string, number>();
  readonly #notes = new Map<string, { count: number; readonly first: SampleNote }>();
  #file: number | undefined;
  /** The first bad sample of each reason in the dataset at work. */
  readonly #firsts = new Map<string, string>();
  #dataset = '';
  #quarantine: Quarantine;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#quarantine = this.#fresh();
    this.#guard(() => {
      makeFolderSync(dirname(options.path));
      this.#file = openSync(options.path, 'w');
    });
  }

  begin(dataset: string): void {
    this.#dataset = dataset;
    this.#quarantine = this.#fresh();
    this.#firsts.clear();
  }

  good(): void {
    this.#quarantine.accept();
  }

  /** Adds a bad sample. @throws StateError at a limit, with the counts, this sample and the file */
  bad(fault: Fault): void {
    const { id, code, reason, count } = fault;
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + (count ?? 1));
    if (!this.#firsts.has(code)) this.#firsts.set(code, `${cut(id)}: ${cut(reason)}`);
    const line = JSON.stringify({ dataset: this.#dataset, id, code, reason, ...(count ? { count } : {}) });
    this.#guard(() => {
      if (this.#file !== undefined) writeSync(this.#file, `${line}\n`);
    });
    this.#judge(() => this.#quarantine.add(id, code), `${cut(id)}: ${cut(reason)}`);
  }

  /** Counts a sample that is used although something of it was lost. */
  note(note: SampleNote): void {
    const entry = this.#notes.get(note.code);
    if (entry) entry.count += 1;
    else this.#notes.set(note.code, { count: 1, first: note });
  }

  /** Samples that were taken with a loss, by kind, each with the first of them. */
  notes(): ReadonlyMap<string, { readonly count: number; readonly first: SampleNote }> {
    return this.#notes;
  }

  /** Samples left out, by reason, in alphabetical order. */
  counts(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** File of the list. */
  get path(): string {
    return this.#options.path;
  }

  /** Reasons of the dataset's bad samples, most frequent first, such as `missing-file 9, corrupt-image 1`. */
  reasons(): string {
    const reasons = this.#sorted();
    return reasons.length === 0
      ? 'no sample was found'
      : reasons.map(([code, count]) => `${code} ${count}`).join(', ');
  }

  /** The first sample of the most frequent reason, as a remark in brackets; empty where none was left out. */
  firstReason(): string {
    const code = this.#sorted()[0]?.[0];
    const first = code === undefined ? undefined : this.#firsts.get(code);
    return first === undefined ? '' : ` (first: ${first})`;
  }

  /** Closes the list and moves it into the suite. */
  async moveTo(path: string): Promise<void> {
    this.close();
    await copyFile(this.#options.path, path);
    await rm(this.#options.path);
  }

  /** Closes the list and removes it, where nobody needs it. */
  async discard(): Promise<void> {
    this.close();
    await rm(this.#options.path, { force: true });
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #sorted(): [string, number][] {
    return Object.entries(this.#quarantine.report().reasons).sort(
      ([a, m], [b, n]) => n - m || (a < b ? -1 : 1),
    );
  }

  #fresh(): Quarantine {
    return createQuarantine({ maxRate: this.#options.rate, maxRun: this.#options.run });
  }

  #judge(step: () => void, last: string): void {
    try {
      step();
    } catch (cause) {
      if (!(cause instanceof PolygateError)) throw cause;
      throw new StateError(
        `prepare ${this.#dataset}: expected few bad samples, got ${this.reasons()} (last: ${last}); they are listed in ${this.#options.path}: mend the source, or raise limits.rate and limits.run`,
        { code: 'quarantine-limit', fields: { dataset: this.#dataset, counts: this.counts() }, cause },
      );
    }
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (cause) {
      throw writeError(this.#options.path, cause);
    }
  }
}
