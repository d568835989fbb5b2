/**
 * The record of a leakage rule: what must not be on both sides of a split, checked on the rows of a prepared suite and not
 * on the code that made them.
 */
import type { NamedRecord } from '@polygate/core';
import type { SuiteRows } from './suite-rows.ts';

/** What a rule finds in a suite. */
export interface LeakageFinding {
  /** Rows or lines that it looked at; 0 where the suite has nothing that the rule is about. */
  readonly checked: number;
  /** Rows or lines that break it. */
  readonly violations: number;
  /** The first of them, with what they share and with whom. */
  readonly examples: readonly string[];
}

/** A rule, registered by `registerLeakageRule`. */
export interface LeakageRule extends NamedRecord {
  check(suite: SuiteRows): Promise<LeakageFinding>;
}

/** Most examples that a finding keeps. */
const MAX_EXAMPLES = 5;

/** Counts what a rule looks at and what breaks it. */
export class FindingCounter {
  #checked = 0;
  #violations = 0;
  readonly #examples: string[] = [];

  add(count = 1): void {
    this.#checked += count;
  }

  violate(example: string): void {
    this.#violations += 1;
    if (this.#examples.length < MAX_EXAMPLES) this.#examples.push(example);
  }

  finding(): LeakageFinding {
    return { checked: this.#checked, violations: this.#violations, examples: [...this.#examples] };
  }
}
