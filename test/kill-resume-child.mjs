/**
 * One process of the kill-and-resume test: trains, or goes on with, the recipe of a JSON file in a run folder, through
 * the built packages as a user would. Says on standard output what it has reached, so that the parent can choose
 * moments to kill it at: `start`, `step N` after an update, `checkpoint` when one is complete.
 *
 * node kill-resume-child.mjs RECIPE.json RUN
 */
import { readFileSync, writeSync } from 'node:fs';
import { pretrain } from '@polygate/app-pretrain';

const [recipe = '', run = ''] = process.argv.slice(2);
// Written at once, not when the event loop next turns: the parent should hear of a moment while it lasts.
const say = (line) => writeSync(1, `${line}\n`);

say('start');
const result = await pretrain(
  { recipe: JSON.parse(readFileSync(recipe, 'utf8')), run },
  {
    progress: {
      update: ({ step }) => say(`step ${step}`),
      note: (line) => {
        if (line.startsWith('checkpoint')) say('checkpoint');
      },
      stop: () => {},
    },
  },
);
say(`${result.status} ${result.step}`);
