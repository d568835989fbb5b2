/**
 * One process of the kill campaign: `node kill-campaign-child.mjs prepare|pretrain OPTIONS.json`, through the built
 * packages as a user would. Ends with 75 where another process holds the lock.
 */
import { readFileSync } from 'node:fs';
import { prepare } from '@polygate/app-prepare';

const LOCKED = 75;
const [stage, file = ''] = process.argv.slice(2);
const options = JSON.parse(readFileSync(file, 'utf8'));
try {
  if (stage === 'prepare') await prepare(options);
  else {
    const { pretrain } = await import('@polygate/app-pretrain');
    await pretrain(options);
  }
} catch (error) {
  if (error?.code !== 'locked') throw error;
  process.exitCode = LOCKED;
}
