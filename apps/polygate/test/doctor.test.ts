/** What `doctor` says of engines that are wrong on purpose, and that nothing is trained with them. A process of its own: see faults. */
import { probeEngines } from '@polygate/tensor';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes, main, memoryTerminal } from '../src/index.ts';

const fault = (text: string): void => {
  process.env['POLYGATE_TEST_FAULTS'] = text;
};
// The torch engine looks for faults when it is loaded.
fault('torch/nothing');
const torch = (await probeEngines()).some(({ name, available }) => name === 'torch' && available);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-doctor-'));
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = async (...argv: string[]): Promise<{ code: number; out: string; log: string }> => {
  const terminal = memoryTerminal();
  const code = await main(argv, terminal);
  return { code, out: terminal.out.join('\n'), log: terminal.log.join('\n') };
};

describe('doctor', () => {
  it.runIf(torch)(
    'names kernels that are wrong, what is done instead, and engines that are not used',
    async () => {
      fault('torch/convolution_backward@onednn,torch/matmul:bf16,wasm/Sum');
      const { code, out } = await run('doctor', '--no-speed');
      expect(code).toBe(exitCodes.done);
      const engineOf = (name: string): string =>
        new RegExp(`^(?:yes|no ) {2}${name} .*\n(?: .*\n?)*`, 'mu').exec(out)?.[0] ?? '';
      expect(engineOf('torch')).toMatch(/^yes/u);
      expect(engineOf('torch')).toMatch(
        /f32: \d+ known questions answered right, with convolutions without oneDNN\. Without:\n +convolution 3x3: gradient to the \w+ is off by 25 % of the largest value\n/u,
      );
      expect(engineOf('torch')).toMatch(
        /bf16: \d+ of \d+ known questions answered wrongly, not used\n +matrix product: .* is off by 25 % of the largest value\n/u,
      );
      expect(engineOf('wasm')).toMatch(/^no {3}wasm +it computes wrongly\n/u);
      expect(engineOf('wasm')).toContain(
        'sums, means and maxima: sum over axis 0 is off by 25 % of the largest value',
      );
      expect(engineOf('cpu')).toMatch(/^yes .*\n +f32: \d+ known questions answered right\n?$/u);
    },
  );

  it('says all in JSON', async () => {
    fault('cpu/Max');
    const { out } = await run('doctor', '--json', '--no-speed');
    const { engines } = JSON.parse(out) as {
      engines: { name: string; available: boolean; examination?: { answers: Record<string, unknown> } }[];
    };
    expect(engines.find(({ name }) => name === 'cpu')).toMatchObject({
      available: false,
      why: 'it computes wrongly',
      examination: { answers: { f32: { workarounds: [], wrong: [{ family: 'reduction' }] } } },
    });
  });
});

describe('pretrain on an engine that is wrong', () => {
  it('ends before it trains, with the reason', async () => {
    fault('wasm/Sum');
    const folderOfRun = join(folder, 'run');
    const { code, log } = await run(
      'pretrain',
      '--synthetic',
      '--engine',
      'wasm',
      '--set',
      'precision=f32',
      '--run',
      folderOfRun,
    );
    expect(code).toBe(exitCodes.engine);
    expect(log).toContain('POLYGATE_TEST_FAULTS is set: kernels are wrong on purpose');
    expect(log).toMatch(
      /engine wasm: expected it to start and to compute rightly, got: it answers \d+ of \d+ known questions wrongly in f32: /u,
    );
    expect(await readdir(folderOfRun).catch(() => [])).not.toContain('checkpoints');
  });
});
