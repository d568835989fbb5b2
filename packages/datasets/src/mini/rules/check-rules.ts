import type { LeakageFinding } from './leakage-rule.ts';
import { leakageRules } from './rule-registry.ts';
import { openSuiteRows } from './suite-rows.ts';

/** What a rule found, by its name. */
export interface RuleResult extends LeakageFinding {
  readonly rule: string;
  readonly summary: string;
}

/**
 * Checks every leakage rule on the rows of a prepared suite, one after another.
 * @throws FormatError for a folder that is no suite, or damaged
 */
export async function* checkLeakage(directory: string): AsyncGenerator<RuleResult> {
  const rows = await openSuiteRows(directory);
  for (const rule of leakageRules()) {
    yield { rule: rule.name, summary: rule.summary, ...(await rule.check(rows)) };
  }
}
