/** `prepare --check`: the leakage rules on the rows of a suite, and its counts beside those that it was designed with. */
import { StateError } from '@polygate/core';
import {
  checkLeakage,
  compareDesigned,
  readSuite,
  type ComparedNumber,
  type RuleResult,
} from '@polygate/datasets';

/** What a check found. */
export interface SuiteCheck {
  readonly rules: readonly RuleResult[];
  readonly counts: readonly ComparedNumber[];
  readonly baselines: readonly ComparedNumber[];
}

const ruleLine = ({ rule, summary, checked, violations, examples }: RuleResult): string =>
  violations > 0
    ? `rule ${rule}: ${violations} of ${checked} break it (${summary}): ${examples.join('; ')}`
    : `rule ${rule}: ${checked === 0 ? 'nothing to check' : `holds for ${checked}`} (${summary})`;

const comparedLine = ({ what, designed, got, why }: ComparedNumber): string =>
  `${what}: ${got}, designed ${designed}${got === designed || why === undefined ? '' : ` (${why})`}`;

/**
 * Checks a suite's folder.
 * @param print told of every rule and number
 * @throws StateError (code `leakage`) where a rule does not hold
 */
export const checkSuite = async (
  directory: string,
  print: (line: string) => void = () => {},
): Promise<SuiteCheck> => {
  const rules: RuleResult[] = [];
  for await (const result of checkLeakage(directory)) {
    rules.push(result);
    print(ruleLine(result));
  }
  const { counts, baselines } = compareDesigned(await readSuite(directory));
  for (const each of [...counts, ...baselines]) print(comparedLine(each));
  const broken = rules.filter(({ violations }) => violations > 0);
  if (broken.length === 0) return { rules, counts, baselines };
  throw new StateError(
    `prepare --check ${directory}: expected no leakage between splits, got rows that break ${broken.map(({ rule, violations }) => `${rule} (${violations})`).join(', ')}; prepare the suite again by --force, or mend its sources`,
    { code: 'leakage', fields: { rules: broken.map(({ rule }) => rule) } },
  );
};
