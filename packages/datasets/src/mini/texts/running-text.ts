/** The record of a text of the mini suite: where it is from, and which of its documents are held out. */
import type { NamedRecord } from '@polygate/core';
import type { MiniSet } from '../mini-set.ts';
import type { PackageOptions } from '../fetch/package-files.ts';

export interface LoadTextOptions {
  /** Every n-th document is used. */
  readonly every: number;
  readonly packages: PackageOptions;
}

/** Sides of running text: held-out documents are whole. */
export type TextSide = 'train' | 'validation';

/** A text, registered by `registerRunningText`. Its samples are documents, whose texts are paragraphs. */
export interface RunningText extends NamedRecord {
  /** Names of the data sources that it is made of. */
  readonly sources: readonly string[];
  load(options: LoadTextOptions): Promise<MiniSet<TextSide>>;
}
