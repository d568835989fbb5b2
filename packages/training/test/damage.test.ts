/** Checkpoints that were damaged on the disk: none is resumed from, each is named, and the way back is asked for. */
import { sealJson } from '@polygate/core';
import { readSafetensors, writeSafetensors, type WritableTensor } from '@polygate/nn';
import { selectEngine } from '@polygate/tensor';
import fc from 'fast-check';
import { cp, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@polygate/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { latestCheckpoint, lockRun, readState, type TrainOptions } from '../src/index.ts';
import { lossSequence, runTiny, STEPS, type TinyBatch } from './tiny-run.ts';

const files = { 'config.json': '{"layers":1}' };
let folder = '';
let count = 0;
let template = '';

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await mkdtemp(join(tmpdir(), 'polygate-damage-'));
  template = join(folder, 'template');
  // Checkpoints at 5, 10 and 12.
  await runTiny(template, { steps: 12, files });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A copy of the run of 12 steps. */
const copyRun = async (): Promise<{ readonly run: string; readonly checkpoint: string }> => {
  const run = join(folder, `run-${(count += 1)}`);
  await cp(template, run, { recursive: true, verbatimSymlinks: true });
  return { run, checkpoint: join(run, 'checkpoints', 'step-12') };
};

const resume = (run: string, options: Partial<TrainOptions<TinyBatch>> = {}) =>
  runTiny(run, { files, resume: 'must', ...options }, 99);

/** Writes a tensor file anew with a change. */
const changeTensors = async (
  path: string,
  change: (tensors: Map<string, WritableTensor>) => void,
): Promise<void> => {
  const tensors = new Map((await readSafetensors(path)).tensors as ReadonlyMap<string, WritableTensor>);
  change(tensors);
  await writeSafetensors(path, tensors);
};

const changeState = async (checkpoint: string, change: object): Promise<void> => {
  const path = join(checkpoint, 'state.json');
  const state = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, `${JSON.stringify({ ...state, ...change }, null, 2)}\n`);
};

/** As the first version of the format wrote it: without hashes. */
const stripHashes = async (checkpoint: string): Promise<void> => {
  const path = join(checkpoint, 'state.json');
  const {
    files: _f,
    sha256: _s,
    data: _d,
    ...state
  } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...state, version: 1 }));
};

const model = 'model.safetensors';
const optimizer = 'optimizer.safetensors';
const filled = (value: number, shape: readonly number[]): WritableTensor => ({
  dtype: 'F32',
  shape,
  data: new Float32Array(shape.reduce((size, n) => size * n, 1)).fill(value),
});
const counted = (value: number): WritableTensor => ({
  dtype: 'I32',
  shape: [],
  data: Int32Array.of(value),
});

interface Damage {
  readonly name: string;
  readonly file: string;
  readonly make: (checkpoint: string) => Promise<void>;
  /** What is said of it without hashes, where it shows at all. */
  readonly bare?: RegExp;
}

const tensorDamage = (
  file: string,
  name: string,
  bare: RegExp,
  change: (tensors: Map<string, WritableTensor>) => void,
): Damage => ({ name, file, bare, make: (checkpoint) => changeTensors(join(checkpoint, file), change) });

const damages: readonly Damage[] = [
  tensorDamage(
    optimizer,
    'a NaN in the moments',
    /expected finite values, got NaN at index 0 of "m\.shared\.bias"/u,
    (tensors) => tensors.set('m.shared.bias', filled(NaN, [3])),
  ),
  tensorDamage(
    optimizer,
    'a negative square',
    /expected squares in "v\.shared\.bias", got -1 at index 0/u,
    (tensors) => tensors.set('v.shared.bias', filled(-1, [3])),
  ),
  tensorDamage(
    optimizer,
    'a missing moment',
    /expected "v\.shared\.bias" beside "count\.shared\.bias", got none/u,
    (tensors) => tensors.delete('v.shared.bias'),
  ),
  tensorDamage(
    optimizer,
    'a count of 0',
    /expected a count of at least 1 in "count\.shared\.bias", got 0/u,
    (tensors) => tensors.set('count.shared.bias', counted(0)),
  ),
  tensorDamage(
    optimizer,
    'a count beyond the steps',
    /expected at most 12 updates of "shared\.bias", got 13/u,
    (tensors) => tensors.set('count.shared.bias', counted(13)),
  ),
  tensorDamage(
    optimizer,
    'a foreign tensor',
    /expected count, m and v of parameters, got "scale"/u,
    (tensors) => tensors.set('scale', filled(1, [1])),
  ),
  tensorDamage(
    optimizer,
    'moments of another shape',
    /expected "v\.shared\.bias" of the shape of/u,
    (tensors) => tensors.set('v.shared.bias', filled(1, [4])),
  ),
  tensorDamage(model, 'a missing weight', /1 missing in the file \(shared\.bias\)/u, (tensors) =>
    tensors.delete('shared.bias'),
  ),
  tensorDamage(
    model,
    'a weight of another shape',
    /expected the model's shapes, got 1 that differ/u,
    (tensors) => tensors.set('shared.bias', filled(0, [1, 3])),
  ),
  tensorDamage(model, 'an infinite weight', /expected finite values, got Infinity at index 0/u, (tensors) =>
    tensors.set('shared.bias', filled(Infinity, [3])),
  ),
  {
    name: 'a flipped bit in a weight',
    file: model,
    make: async (checkpoint) => {
      const bytes = await readFile(join(checkpoint, model));
      bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 1;
      await writeFile(join(checkpoint, model), bytes);
    },
  },
  {
    name: 'zeroed cursors',
    file: 'state.json',
    make: (checkpoint) => changeState(checkpoint, { cursors: { often: 0, rare: 0 } }),
    bare: /expected cursors of at least 12 batches in all, one for each step, got 0/u,
  },
  {
    name: 'a changed step',
    file: 'state.json',
    make: (checkpoint) => changeState(checkpoint, { step: 11 }),
    bare: /expected step 12, which the folder's name says, got 11/u,
  },
  {
    name: 'a file of the caller that is changed',
    file: 'config.json',
    make: (checkpoint) => writeFile(join(checkpoint, 'config.json'), '{"layers":2}'),
  },
  { name: 'a missing file', file: 'config.json', make: (checkpoint) => rm(join(checkpoint, 'config.json')) },
];

describe('a damaged checkpoint', () => {
  it.each(damages)('is named with its file: $name', async ({ file, make }) => {
    const { run, checkpoint } = await copyRun();
    await make(checkpoint);
    const error = await resume(run).catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      name: 'FormatError',
      code: 'checkpoint-damaged',
      fields: { path: checkpoint, file },
    });
    expect((error as Error).message).toContain(
      'the checkpoint is damaged: restore that file from a copy, or resume from the last good checkpoint (--resume last-good)',
    );
  });

  it.each(damages.filter(({ bare }) => bare))('without hashes, too: $name', async ({ file, make, bare }) => {
    const { run, checkpoint } = await copyRun();
    await stripHashes(checkpoint);
    await make(checkpoint);
    const error = await resume(run).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'checkpoint-damaged', fields: { path: checkpoint, file } });
    expect((error as Error).message).toMatch(bare as RegExp);
  });

  it('is found by any bit of any of its files', async () => {
    const { run, checkpoint } = await copyRun();
    const names = (await readdir(checkpoint)).sort();
    expect(names).toEqual(['config.json', model, optimizer, 'state.json']);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), fc.nat(), fc.nat(7), async (name, at, bit) => {
        const path = join(checkpoint, name);
        const whole = await readFile(path);
        const changed = Buffer.from(whole);
        changed[at % whole.length] = (changed[at % whole.length] ?? 0) ^ (1 << bit);
        await writeFile(path, changed);
        await expect(resume(run)).rejects.toThrow(`checkpoint ${checkpoint}: ${name}: `);
        await writeFile(path, whole);
      }),
      { numRuns: 40 },
    );
    expect((await resume(run)).result.step).toBe(STEPS);
  });

  it('whose hashes were removed to hide it is refused as well', async () => {
    for (const change of [{ files: undefined }, { sha256: undefined }, { version: 1 }]) {
      const { run, checkpoint } = await copyRun();
      await changeState(checkpoint, change);
      await expect(resume(run)).rejects.toThrow('state.json: expected the SHA-256 of itself at its end');
    }
    const { run, checkpoint } = await copyRun();
    const {
      sha256: _,
      files: __,
      ...state
    } = (await readState({ step: 12, path: checkpoint })) as unknown as Record<string, unknown>;
    await writeFile(join(checkpoint, 'state.json'), sealJson(state));
    await expect(resume(run)).rejects.toThrow('state.json: expected a list of files, got none');
    await writeFile(
      join(checkpoint, 'state.json'),
      sealJson({ ...state, files: { '../../a': { bytes: 1, sha256: 'a'.repeat(64) } } }),
    );
    await expect(resume(run)).rejects.toThrow('expected files of the folder, got "../../a"');
  });

  it('of an older version without hashes is read when it is whole', async () => {
    const { run, checkpoint } = await copyRun();
    await stripHashes(checkpoint);
    const { result, weights } = await resume(run);
    expect(result.resumedFrom).toBe(12);
    expect(weights).toEqual((await runTiny(join(folder, 'whole'), { files })).weights);
  });
});

describe('going back to the last good checkpoint', () => {
  it('is done only when asked for, is told, and ends as if nothing had happened', async () => {
    const whole = join(folder, 'never-damaged');
    const reference = await runTiny(whole, { files });
    const { run } = await copyRun();
    const at = (step: number): string => join(run, 'checkpoints', `step-${step}`);
    await damages[0]?.make(at(12));
    await rm(join(at(10), model));
    await expect(resume(run, { resume: 'auto' })).rejects.toThrow(
      'step-12: optimizer.safetensors: expected SHA-256',
    );
    const told: string[] = [];
    const { result, weights } = await resume(run, {
      resume: 'last-good',
      logger: createLogger((level, text) => level === 'warn' && told.push(text)),
    });
    expect(result.resumedFrom).toBe(5);
    expect(told).toEqual([
      expect.stringContaining(`checkpoint ${at(12)}: ${optimizer}: expected SHA-256`),
      expect.stringContaining(`checkpoint ${at(10)}: ${model}: expected a file of`),
      `going back to step-5; damaged checkpoints are kept as ${join(run, 'checkpoints', 'damaged-step-12')}, ${join(run, 'checkpoints', 'damaged-step-10')}`,
    ]);
    expect(weights).toEqual(reference.weights);
    expect(await lossSequence(run)).toEqual(await lossSequence(whole));
    expect(await readlink(join(run, 'checkpoints', 'latest'))).toBe(`step-${STEPS}`);
    // Nothing to go back from: as auto does.
    expect((await resume(run, { resume: 'last-good' })).result.resumedFrom).toBe(STEPS);
  });

  it('needs one', async () => {
    const { run, checkpoint } = await copyRun();
    for (const step of [5, 10, 12]) await rm(join(checkpoint, '..', `step-${step}`, 'state.json'));
    await expect(resume(run, { resume: 'last-good' })).rejects.toThrow(
      /expected a good checkpoint in .*, got 3, all of them damaged \(step-12, step-10, step-5\); restore one/u,
    );
    await expect(runTiny(join(folder, 'new'), { resume: 'last-good' })).rejects.toThrow(
      'expected a checkpoint in',
    );
    await expect(runTiny(join(folder, 'new'), { resume: 'latest' as 'auto' })).rejects.toThrow(
      'unknown way to resume "latest"',
    );
  });

  it('takes no other run for a damaged one', async () => {
    const { run } = await copyRun();
    await expect(resume(run, { resume: 'last-good', seed: 6 })).rejects.toThrow("expected the run's seed 5");
  });
});

describe('data of a run', () => {
  const sources = (often: string) =>
    ['often', 'rare'].map((name) => ({
      name,
      weight: 1,
      data: name === 'often' ? often : 'same',
      next: (cursor: number): TinyBatch => ({
        id: `${name}/${cursor}`,
        x: new Float32Array(20).fill(cursor / 9),
      }),
    }));

  it('that were prepared anew with other rows are not trained on', async () => {
    const run = join(folder, 'data');
    await runTiny(run, { sources: sources('a'), steps: 6 });
    await expect(runTiny(run, { sources: sources('b') })).rejects.toThrow(
      `train: expected the data that the run at ${run} began with, got other rows for "often"; prepare the suite as it was then (same files, same settings), or start a run in another folder on the new data`,
    );
    expect((await runTiny(run, { sources: sources('a') })).result.resumedFrom).toBe(6);
  });
});

describe('writing a checkpoint', () => {
  it('that fails in the middle leaves the last good one', async () => {
    const run = join(folder, 'failing');
    // The third file can't be written, as on a disk that is full by then.
    const write = runTiny(run, { steps: 6, files: { 'none/config.json': '{}' } });
    await expect(write).rejects.toThrow(/write .*step-5: expected to write the file, got ENOENT/u);
    expect(await readdir(join(run, 'checkpoints'))).toEqual([]);
    const { run: good, checkpoint } = await copyRun();
    await expect(resume(good, { files: { 'none/config.json': '{}' } })).rejects.toThrow('got ENOENT');
    expect((await readdir(join(good, 'checkpoints'))).sort()).toEqual([
      'latest',
      'step-10',
      'step-12',
      'step-5',
    ]);
    expect(await latestCheckpoint(good)).toEqual({ step: 12, path: checkpoint });
    expect((await resume(good)).result.resumedFrom).toBe(12);
  });

  it('of weights that are no numbers is refused, and says which', async () => {
    const run = join(folder, 'diverging');
    // The last update before the checkpoint overflows; the loss before it was finite.
    const schedule = (step: number): number => (step === 4 ? 1e39 : 0.01);
    await expect(runTiny(run, { schedule })).rejects.toMatchObject({ code: 'weights-not-finite' });
    expect(await readdir(join(run, 'checkpoints'))).toEqual([]);
  });

  it('replaces one of the same step, keeping it until then', async () => {
    const { run, checkpoint } = await copyRun();
    await rename(
      join(checkpoint, '..', 'step-10'),
      join(checkpoint, '..', '.step-10.00000000-0000-4000-8000-000000000000.old'),
    );
    await resume(run);
    expect((await readdir(join(run, 'checkpoints'))).sort()).toEqual([
      'latest',
      'step-15',
      'step-20',
      `step-${STEPS}`,
    ]);
  });
});

it('one process at a time trains in a run folder', async () => {
  const { run } = await copyRun();
  const lock = await lockRun(run, 'pretrain');
  await expect(resume(run)).rejects.toMatchObject({ code: 'locked' });
  expect((await resume(run, { lock })).result.step).toBe(STEPS);
  await lock.release();
  expect(await readdir(run)).toEqual(['checkpoints', 'metrics.jsonl']);
});

it('a run whose folder was taken away ends, and makes no other one there', async () => {
  const { run } = await copyRun();
  const away = `${run}-away`;
  const lock = await lockRun(run, 'pretrain');
  let taken = false;
  const metrics = {
    write: async (): Promise<void> => {
      if (taken) return;
      taken = true;
      await rename(run, away);
      // With a folder in its place its numbers are still written; a checkpoint would begin another run there.
      await mkdir(run);
    },
  };
  await expect(resume(run, { lock, metrics })).rejects.toMatchObject({ code: 'lock-lost' });
  expect(await readdir(join(run, 'checkpoints')).catch(() => 'none')).toBe('none');
  await lock.release();
  expect(await readdir(away)).toContain('checkpoints');
});
