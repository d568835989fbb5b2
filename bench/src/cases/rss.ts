/**
 * Resident memory: flat over hundreds of training steps, and within the stream's budget of bytes plus 100 MB over two
 * gigabytes of shards. Each is measured in a process of its own.
 */
import { prepare } from '@polygate/app-prepare';
import { StateError } from '@polygate/core';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median, type BenchLine } from '../pair.ts';
import type { ResidentReport } from '../rss/resident.ts';

const children = join(dirname(fileURLToPath(import.meta.url)), '..', 'rss');

/**
 * The line of a report: how many times the settled memory each later one is.
 * @throws StateError when one is more above it than is allowed
 */
export const residentLine = (given: ResidentReport): BenchLine => {
  const { name, settledMegabytes, laterMegabytes, allowedMegabytes } = given;
  const later = Object.entries(laterMegabytes);
  const [where, most] = later.reduce((a, b) => (b[1] > a[1] ? b : a), ['', -Infinity]);
  const growth = most - settledMegabytes;
  // Also refuses what is not a number.
  if (!(growth <= allowedMegabytes)) {
    throw new StateError(
      `${name}: expected at most ${allowedMegabytes} MB above ${settledMegabytes.toFixed(0)} MB, got ${growth.toFixed(0)} MB more (${where}); something is kept that should be freed`,
    );
  }
  const ratios = later.map(([, megabytes]) => megabytes / settledMegabytes);
  const whole = (megabytes: number): number => Math.round(megabytes);
  return {
    case: name,
    ratioMedian: median(ratios),
    ratioMin: Math.min(...ratios),
    ratioMax: Math.max(...ratios),
    validated: given.validated,
    detail: {
      settledMegabytes: whole(settledMegabytes),
      growthMegabytes: whole(growth),
      allowedMegabytes,
      laterMegabytes: Object.fromEntries(later.map(([key, megabytes]) => [key, whole(megabytes)])),
      ...given.detail,
    },
  };
};

/**
 * oneDNN, which LibTorch multiplies with, keeps the code of the last 1,024 products that it has compiled, one for each
 * shape. With captions of all lengths that fills over a thousand steps (about 200 MB) and would hide what is looked for.
 */
const environment = { ONEDNN_PRIMITIVE_CACHE_CAPACITY: '32', DNNL_PRIMITIVE_CACHE_CAPACITY: '32' };

const measureIn = async (child: string, ...argv: string[]): Promise<BenchLine> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', join(children, child), ...argv],
    { maxBuffer: 2 ** 24, env: { ...process.env, ...environment } },
  );
  return residentLine(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as ResidentReport);
};

export const rss = {
  describe:
    'resident memory of 500 training steps, and of streaming 2 GB within its budget of bytes plus 100 MB',
  async *run(): AsyncIterable<BenchLine> {
    const folder = await mkdtemp(join(tmpdir(), 'polygate-bench-'));
    try {
      const { directory } = await prepare({ recipe: 'mini-small', output: join(folder, 'data') });
      yield await measureIn('training.js', directory, join(folder, 'run'));
      for (const phase of ['write', 'in-order', 'random'])
        yield await measureIn('streaming.js', phase, folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
