/** Answers and speeds of an earlier start: taken where nothing changed, asked for again where they are not what they were. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type * as Tensor from '../src/index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-remembered-'));
  process.env['XDG_CACHE_HOME'] = folder;
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The package as another process finds it: it remembers nothing but what is on the disk. */
const newProcess = async (): Promise<typeof Tensor> => {
  vi.resetModules();
  return await import('../src/index.ts');
};

type Entries = Record<string, Record<string, unknown>>;
const change = async (each: (entry: Record<string, unknown>) => unknown): Promise<void> => {
  const file = join(folder, 'polygate', 'engine-answers.json');
  const { format, entries } = JSON.parse(await readFile(file, 'utf8')) as {
    format: number;
    entries: Entries;
  };
  const changed = Object.fromEntries(Object.entries(entries).map(([key, entry]) => [key, each(entry)]));
  await writeFile(file, JSON.stringify({ format, entries: changed }));
};

describe('answers', () => {
  it('are asked for once, and again where somebody wants to know', async () => {
    const { answers } = await (await newProcess()).selectEngine({ engine: 'cpu' });
    expect(answers).toMatchObject({ found: [], workarounds: [], wrong: [] });
    await change((entry) => ({ ...entry, asked: 1 }));
    const { selectEngine } = await newProcess();
    expect((await selectEngine({ engine: 'cpu' })).answers.asked).toBe(1);
    expect((await selectEngine({ engine: 'cpu', ask: 'always' })).answers).toEqual(answers);
  });

  it.each([
    ['nothing', null],
    ['another form', { asked: 'many' }],
    ['a way that the engine does not have', { asked: 1, found: [], wrong: [], workarounds: ['magic'] }],
    ['answers of another form', { asked: 1, found: [{ question: 'x' }], wrong: [], workarounds: [] }],
  ])('are asked for again where the file holds %s', async (_, entry) => {
    await (await newProcess()).selectEngine({ engine: 'cpu' });
    await change(() => entry);
    const { answers } = await (await newProcess()).selectEngine({ engine: 'cpu' });
    expect(answers.asked).toBeGreaterThan(1);
  });

  it('that are wrong are remembered, too', async () => {
    await (await newProcess()).selectEngine({ engine: 'cpu' });
    const wrong = { question: 'softmax', family: 'softmax', part: 'result', error: 0.5 };
    await change((entry) => ({ ...entry, found: [wrong], wrong: [wrong] }));
    await expect((await newProcess()).selectEngine({ engine: 'cpu' })).rejects.toMatchObject({
      code: 'engine-wrong',
      message: expect.stringMatching(
        /^engine cpu: expected it to start and to compute rightly, got: it answers 1 of \d+ known questions wrongly in f32: softmax: result is off by 50 % of the largest value; take another engine, or another version of its library; `polygate doctor` lists the answers$/u,
      ),
    });
    await (await newProcess()).selectEngine({ engine: 'cpu', ask: 'always' });
    await (await newProcess()).selectEngine({ engine: 'cpu' });
  });
});

const torch = (await (await import('../src/index.ts')).probeEngines()).some(
  ({ name, available }) => name === 'torch' && available,
);

describe('precision auto', () => {
  it('is f32 where there is no other', async () => {
    const { precision, speeds, reason } = await (
      await newProcess()
    ).selectEngine({ engine: 'wasm', precision: 'auto' });
    expect({ precision, speeds, reason }).toEqual({
      precision: 'f32',
      speeds: undefined,
      reason: 'as asked',
    });
  });

  it.runIf(torch)('is measured once, and keeps what runs', async () => {
    // The kernels are registered once more by each process that is played: tfjs tells of each.
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { selectEngine } = await newProcess();
    const choice = await selectEngine({ engine: 'torch', precision: 'auto' });
    expect(choice.precision).toBe(choice.speeds?.order[0]);
    expect([...(choice.speeds?.order ?? [])].sort()).toEqual(['bf16', 'f32']);
    expect(choice.reason).toMatch(/^as asked; (?:f32|bf16) trains [\d.]+ times as fast as (?:f32|bf16)$/u);
    // The next process takes what this one measured.
    await change((entry) => ('bf16' in entry ? { f32: 10, bf16: 100 } : entry));
    const tf = await import('@tensorflow/tfjs');
    const { selectEngine: next } = await newProcess();
    const fast = await next({ engine: 'torch', precision: 'auto' });
    expect(fast).toMatchObject({
      precision: 'bf16',
      reason: 'as asked; bf16 trains 10.0 times as fast as f32',
    });
    const kept = tf.tensor1d([1, 2]);
    expect((await next({ engine: 'torch', precision: 'auto' })).precision).toBe('bf16');
    expect([...kept.dataSync()]).toEqual([1, 2]);
    kept.dispose();
    // A tenth more is not worth the rounding.
    await change((entry) => ('bf16' in entry ? { f32: 100, bf16: 109 } : entry));
    expect((await (await newProcess()).selectEngine({ engine: 'torch', precision: 'auto' })).precision).toBe(
      'f32',
    );
  });
});
