/** What the tools that keep scores for the docs write: which command, machine and commit, the recipe, and what evaluate said. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const readJson = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'));

/**
 * @param file such as docs/results/demo.json
 * @param measured command, minutes, machine and, where it isn't that of HEAD, the commit
 * @param results recipe, the folder of an evaluation, and what else belongs to them
 */
export const writeRecorded = (file, measured, { recipe, evaluation, ...more }) => {
  const { engine, suite, datasets, parameters, evaluationSeed, limit, scores } = readJson(
    evaluation,
    'evaluation.json',
  );
  const {
    command,
    minutes,
    machine,
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  } = measured;
  const results = {
    measured: { command, minutes: Number(minutes), machine, commit },
    // Where the suite lay is the machine's business.
    recipe: { ...recipe, suite: `data/${suite}` },
    engine,
    suite,
    datasets,
    parameters,
    evaluationSeed,
    limit,
    scores,
    ...more,
  };
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`${file}: ${scores.length} scores at ${commit}`);
};
