/**
 * Keeps the scores of a model that a package ships, for its card:
 *
 *   node tools/record-model.mjs RUN MODEL EVALUATION FILE COMMAND MINUTES MACHINE [COMMIT]
 *
 * RUN is the folder of the run that it was exported from, MODEL its folder, EVALUATION the folder where `polygate evaluate --run
 * MODEL` wrote its results, FILE such as docs/results/mini-generalist.json, COMMAND what trained it, MINUTES what that took,
 * MACHINE a line on the processor, the system and the versions, COMMIT the code that trained it (default: that of HEAD). Then
 * `npm run tables`.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeRecorded } from './recorded-results.mjs';

const [run, model, evaluation, file, command, minutes, machine, commit] = process.argv.slice(2);
if (!machine || !(Number(minutes) > 0)) {
  console.error(
    'usage: node tools/record-model.mjs RUN MODEL EVALUATION FILE COMMAND MINUTES MACHINE [COMMIT]',
  );
  process.exit(2);
}
const { recipe } = readJson(run, 'recipe.json');
const last = join(run, 'checkpoints', `step-${parseInt(recipe.steps, 10)}`, 'model.safetensors');
const trained = createHash('sha256').update(readFileSync(last)).digest('hex');
const { exportedFrom, weights } = readJson(model, 'config.json');
if (exportedFrom.sha256 !== trained) {
  console.error(
    `${model}: expected a model that was exported from ${last}, got one of ${exportedFrom.sha256}`,
  );
  process.exit(1);
}
writeRecorded(file, { command, minutes, machine, commit }, { recipe, evaluation, weights });
