import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { baseRecipe, scoredTasks } from './base-recipe.ts';
import { experimentNamed } from './catalogue.ts';
import { planRuns, type RunOrder } from './plan.ts';
import { runPool } from './pool.ts';

/** A child that ends as the seed says: 1 well, 2 with a failure, 3 without a word, 4 when it is told to stop. */
const childSource = `
process.once('message', (order) => {
  const end = (message) => process.send(message, () => process.disconnect());
  process.send({ kind: 'progress', text: 'threads ' + process.env.OPENBLAS_NUM_THREADS });
  if (order.seed === 1) end({ kind: 'finished' });
  if (order.seed === 2) end({ kind: 'failed', text: 'no data' });
  if (order.seed === 3) { process.stderr.write('out of memory'); process.exit(9); }
  if (order.seed === 4) {
    const waiting = setInterval(() => {}, 1000);
    process.on('SIGINT', () => { clearInterval(waiting); end({ kind: 'stopped' }); });
    process.send({ kind: 'progress', text: 'waiting' });
  }
});
`;

const orders = planRuns(
  { ...experimentNamed('table1'), variants: experimentNamed('table1').variants.slice(0, 1) },
  { base: baseRecipe, scored: scoredTasks, seeds: [1, 2, 3, 4], suiteHash: '', runs: 'runs' },
);
const seedsOf = (list: readonly RunOrder[]): number[] => list.map(({ seed }) => seed);

let child = '';
beforeAll(async () => {
  child = join(await mkdtemp(join(tmpdir(), 'polygate-pool-')), 'child.mjs');
  await writeFile(child, childSource);
});

describe('runPool', () => {
  it('tells how each process ended, one failure beside the others, and gives every child one thread', async () => {
    const texts: string[] = [];
    const { finished, failed, stopped } = await runPool(orders.slice(0, 3), {
      jobs: 2,
      child,
      onProgress: (_, text) => void texts.push(text),
    });
    expect(seedsOf(finished)).toEqual([1]);
    expect(stopped).toEqual([]);
    const reasons = new Map(failed.map(({ order, reason }) => [order.seed, reason]));
    expect(reasons.get(2)).toBe('no data');
    expect(reasons.get(3)).toBe('ended with 9 and no result\nout of memory');
    expect(texts).toEqual(['threads 1', 'threads 1', 'threads 1']);
  });

  it('stops running children on a signal and starts no more', async () => {
    const stop = new AbortController();
    const { finished, stopped } = await runPool([orders[3], orders[0]] as RunOrder[], {
      jobs: 1,
      child,
      signal: stop.signal,
      onProgress: (_, text) => {
        if (text === 'waiting') stop.abort();
      },
    });
    expect(seedsOf(stopped)).toEqual([4, 1]);
    expect(finished).toEqual([]);
  });

  it('refuses no jobs', async () => {
    await expect(runPool(orders, { jobs: 0, child, onProgress: () => {} })).rejects.toThrow(
      'pool: expected one job or more at a time, got 0; set --jobs',
    );
  });
});
