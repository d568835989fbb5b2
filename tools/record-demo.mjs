/**
 * Keeps the scores of a finished demo run for the docs:
 *
 *   node tools/record-demo.mjs FILE MINUTES MACHINE
 *
 * FILE is docs/results/demo.json or docs/results/demo-wasm.json, MINUTES what the demo said that it took, MACHINE a line on
 * the processor, the system and the versions. Then `npm run tables`.
 */
import { readJson, writeRecorded } from './recorded-results.mjs';

const [file, minutes, machine] = process.argv.slice(2);
if (!file || !(Number(minutes) > 0) || !machine) {
  console.error('usage: node tools/record-demo.mjs FILE MINUTES MACHINE');
  process.exit(2);
}
const { recipe } = readJson('runs/demo/recipe.json');
const { engine, state } = readJson('runs/demo/evaluation.json');
if (`${state.step} steps` !== recipe.steps) {
  console.error(
    `runs/demo: expected a run of ${recipe.steps}, got one that was scored at step ${state.step}`,
  );
  process.exit(1);
}
/** Top-1 of the clips that the run never saw, before and after its prompts were tuned. */
const clips = (path) =>
  readJson(path).scores.find(({ split, metric }) => split === 'test' && metric === 'top-1');
const tuning = {
  untuned: clips('runs/demo/suites/demo-clips/evaluation.json'),
  tuned: clips('runs/demo-clips/evaluation.json'),
  recipe: {
    ...readJson('runs/demo-clips/recipe.json').recipe,
    suite: 'data/demo-clips',
    initialize: { from: 'runs/demo' },
  },
};
const command = engine.name === 'wasm' ? 'POLYGATE_LIBTORCH=off npm run demo' : 'npm run demo';
writeRecorded(file, { command, minutes, machine }, { recipe, evaluation: 'runs/demo', tuning });
