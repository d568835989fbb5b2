/**
 * Keeps the scores of a finished demo run for the docs:
 *
 *   node tools/record-demo.mjs FILE MINUTES MACHINE
 *
 * FILE is docs/results/demo.json or docs/results/demo-wasm.json, MINUTES what the demo said that it took, MACHINE a line on
 * the processor, the system and the versions. Then `npm run tables`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const [file, minutes, machine] = process.argv.slice(2);
if (!file || !(Number(minutes) > 0) || !machine) {
  console.error('usage: node tools/record-demo.mjs FILE MINUTES MACHINE');
  process.exit(2);
}
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const { recipe } = read('runs/demo/recipe.json');
const { engine, suite, datasets, parameters, evaluationSeed, limit, scores, state } =
  read('runs/demo/evaluation.json');
if (`${state.step} steps` !== recipe.steps) {
  console.error(
    `runs/demo: expected a run of ${recipe.steps}, got one that was scored at step ${state.step}`,
  );
  process.exit(1);
}
/** Top-1 of the clips that the run never saw, before and after its prompts were tuned. */
const clips = (path) => read(path).scores.find(({ split, metric }) => split === 'test' && metric === 'top-1');
const tuning = {
  untuned: clips('runs/demo/suites/demo-clips/evaluation.json'),
  tuned: clips('runs/demo-clips/evaluation.json'),
  recipe: {
    ...read('runs/demo-clips/recipe.json').recipe,
    suite: 'data/demo-clips',
    initialize: { from: 'runs/demo' },
  },
};
const command = engine.name === 'wasm' ? 'POLYGATE_LIBTORCH=off npm run demo' : 'npm run demo';
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const measured = { command, minutes: Number(minutes), machine, commit };
const results = {
  measured,
  // Where the suite lay is the machine's business.
  recipe: { ...recipe, suite: `data/${suite}` },
  engine,
  suite,
  datasets,
  parameters,
  evaluationSeed,
  limit,
  scores,
  tuning,
};
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
console.log(`${file}: ${scores.length} scores at ${commit}`);
