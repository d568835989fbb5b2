/** `pretrain --processes 2`: what is left when one of its processes is killed, and what it says when one fails. */
import { describeC10d } from '@polygate/backend-torch/c10d';
import { pretrain as appPretrain } from '@polygate/app-pretrain';
import { inProcessCommunicators } from '@polygate/core';
import { METRICS_FILE, readMetricRecords } from '@polygate/training';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareSmallSuite, smallTrainingRecipe } from './small-suite.ts';

const program = join(import.meta.dirname, '../apps/polygate/bin/polygate.js');
const STEPS = 5;
let folder = '';
let small: ReturnType<typeof smallTrainingRecipe>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-processes-'));
  await prepareSmallSuite(folder);
  small = smallTrainingRecipe(join(folder, 'data/small'));
  await writeFile(join(folder, 'recipe.json'), JSON.stringify(small));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const settings = [
  `steps=${STEPS} steps`,
  'checkpoint.every=2 steps',
  'validation.every=100%',
  'validation.limit=4',
];

const pretrain = (run: string, ...more: readonly string[]) => {
  const child = spawn(
    process.execPath,
    [
      program,
      ...['pretrain', '--recipe', join(folder, 'recipe.json'), '--engine', 'cpu', '--run', join(folder, run)],
      ...settings.flatMap((setting) => ['--set', setting]),
      ...more,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, log }));
  return { pid: child.pid as number, stderr: child.stderr, ended };
};

const lossesOf = async (run: string): Promise<readonly (readonly [unknown, unknown, unknown])[]> => {
  const losses: (readonly [unknown, unknown, unknown])[] = [];
  for await (const record of readMetricRecords(join(folder, run, METRICS_FILE))) {
    if (record?.['kind'] === 'train') losses.push([record['step'], record['task'], record['loss']]);
  }
  return losses;
};

const weightsOf = (run: string): Promise<Buffer> =>
  readFile(join(folder, run, `checkpoints/step-${STEPS}/model.safetensors`));

/** The process of a rank, among the children of the one that was started. */
const rankOf = async (starter: number, rank: number): Promise<number> => {
  const children = (await readFile(`/proc/${starter}/task/${starter}/children`, 'utf8')).trim().split(' ');
  for (const pid of children) {
    const variables = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
    if (variables.includes(`RANK=${rank}`)) return Number(pid);
  }
  throw new Error(`expected a process of rank ${rank}, got ${children.join(', ')}`);
};

describe.runIf(describeC10d().available && existsSync('/proc/self/task'))('pretrain --processes', () => {
  it('ends when a rank is killed, and then trains as if it never had been', async () => {
    const killed = pretrain('pair', '--processes', '2');
    while (!existsSync(join(folder, 'pair/checkpoints/step-2'))) await once(killed.stderr, 'data');
    process.kill(await rankOf(killed.pid, 1), 'SIGKILL');
    const first = await killed.ended;
    expect(first.code).toBe(1);
    const errors = first.log.split('\n').filter((line) => line.startsWith('error: '));
    expect(errors).toEqual([
      expect.stringMatching(
        /^error: processes: rank 1 was killed by SIGKILL.*the same command goes on from the last checkpoint$/u,
      ),
    ]);
    const second = await pretrain('pair', '--processes', '2').ended;
    expect(second.log).toMatch(/resuming \S+ after step \d+/u);
    expect(second.code).toBe(0);
    // To the last bit: what was killed is not seen in the numbers, nor what carried them.
    await Promise.all(
      inProcessCommunicators(2).map((communicator) =>
        appPretrain(
          { recipe: small, set: [...settings, 'engine=cpu'], run: join(folder, 'whole') },
          { communicator },
        ),
      ),
    );
    expect(await lossesOf('pair')).toEqual(await lossesOf('whole'));
    expect(await weightsOf('pair')).toEqual(await weightsOf('whole'));
  }, 180_000);

  it('tells of a wrong setting once', async () => {
    const { code, log } = await pretrain('wrong', '--processes', '2', '--set', 'accumulate=0').ended;
    expect(code).toBe(2);
    expect(log.split('\n').filter((line) => line.includes('accumulate'))).toHaveLength(1);
  });
});
