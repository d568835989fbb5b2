/**
 * Bad input of a trained model and of a full disk as a user meets it: every fault gives the typed error whose text holds the remedy. Nothing
 * hangs: each case has a limit of time.
 */
import { execFileSync } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportRun, predictImage, predictTexts } from '@polygate/app-predict';
import { prepare } from '@polygate/app-prepare';
import { pretrain } from '@polygate/app-pretrain';
import { ConfigError, FormatError, PolygateError, StateError } from '@polygate/core';
import { loadModel } from '@polygate/generalist';
import { readRun } from '@polygate/runs';
import { latestCheckpoint, readState } from '@polygate/training';
import { saveTokenizer, trainTokenizer } from '@polygate/tokens';
import { afterEach, describe, expect, it } from 'vitest';
import { expectError, folder, good, root, timeout, train, useSmallSuite } from './bad-input.ts';
import { smallPrepareRecipe, writeRawFiles, smallTrainingRecipe } from './small-suite.ts';

/** An image's and a name's rows are there; masked text has another. */
const missingRow =
  /^encode: expected a row that this merged model was exported with: (\[attributes [01]{8}\] ?)+; got \[attributes [01]{8}\]; export /u;

useSmallSuite();

describe('a trained model', { timeout }, () => {
  it('is not asked for attribute rows that it was exported without', async () => {
    const { run } = await train();
    const output = join(folder, 'exported');
    await exportRun({ run, engine: 'wasm', output, tasks: ['colours'] });
    const error = await expectError(
      predictTexts('fill', { run: output, engine: 'wasm', texts: ['the bar is ___'] }),
      ConfigError,
      missingRow,
    );
    expect(error.message).toContain('export the trained model again with the task that has it');
    // The task that it was exported with.
    const image = join(root, 'good/images/red/left-2.svg');
    expect(
      await predictImage('classify', { run: output, engine: 'wasm', image, labels: ['red', 'blue'] }),
    ).toHaveLength(2);
  });

  it('does not take weights whose experts are placed elsewhere', async () => {
    const { checkpoint, run } = await train();
    const path = join(checkpoint, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as { encoder: { moe: object } };
    const encoder = { ...config.encoder, moe: { ...config.encoder.moe, attention: false } };
    await writeFile(path, JSON.stringify({ ...config, encoder }));
    const damage = await expectError(
      loadModel(run),
      FormatError,
      `checkpoint ${checkpoint}: config.json: expected`,
    );
    expect(damage.code).toBe('checkpoint-damaged');
    // A checkpoint whose hashes are gone is not used either: nobody could tell.
    await rm(join(checkpoint, 'state.json'));
    for (const opened of [run, checkpoint, join(run, 'checkpoints', 'latest')])
      for (const use of [loadModel, readRun])
        await expectError(
          use(opened),
          StateError,
          /expected a readable .*state\.json, got ENOENT; restore it from a copy, use another checkpoint/u,
        );
    // A model folder has no hashes to tell.
    const copied = join(run, 'copied');
    await cp(checkpoint, copied, { recursive: true });
    await expectError(
      loadModel(copied),
      PolygateError,
      /expected exactly the model's \d+ parameters, got \d+ missing in the file \(blocks\.0\.attention\.qkv\.weight, .*; load into a model of the same configuration/u,
    );
  });

  it('is not loaded with another tokenizer, nor from a folder without one', async () => {
    await expectError(
      loadModel(folder),
      StateError,
      `expected a model folder or a run with a checkpoint at ${folder}, got neither config.json nor checkpoints; run pretrain first`,
    );
    const { checkpoint, run } = await train();
    await saveTokenizer(
      trainTokenizer(['other words than those'], { vocabularySize: 300 }),
      join(checkpoint, 'tokenizer.json'),
    );
    await expectError(loadModel(run), FormatError, `checkpoint ${checkpoint}: tokenizer.json: expected`);
    const copied = join(run, 'copied');
    await cp(checkpoint, copied, { recursive: true });
    await rm(join(copied, 'state.json'));
    const error = await expectError(loadModel(copied), StateError, 'use the tokenizer.json beside');
    expect(error.code).toBe('tokenizer-mismatch');
    await copyFile(join(good, 'tokenizer.json'), join(copied, 'tokenizer.json'));
    const weights = join(copied, 'model.safetensors');
    await truncate(weights, (await readFile(weights)).length - 8);
    await expectError(loadModel(copied), FormatError, /model\.safetensors/u);
  });
});

/** Mounts a disk of some KiB in memory, where this process may. */
const mountDisk = (path: string, kib: number): boolean => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

describe('a full disk', { timeout }, () => {
  let disk = '';
  let mounted = false;
  const mountOrSkip = async (kib: number, skip: (note: string) => void): Promise<void> => {
    disk = join(folder, 'disk');
    await mkdir(disk);
    mounted = mountDisk(disk, kib);
    if (!mounted) skip('mounting a tmpfs needs root and a kernel that lets it');
  };
  // Runs before the hook that removes the folder.
  afterEach(() => {
    if (mounted) execFileSync('umount', [disk]);
    mounted = false;
  });

  it('stops prepare with the remedy and leaves no half suite', async (context) => {
    await mountOrSkip(24, (note) => context.skip(note));
    await writeRawFiles(folder);
    const error = await expectError(
      prepare({ recipe: smallPrepareRecipe, workDirectory: folder, output: 'disk/data' }),
      StateError,
      /ENOSPC: the disk is full; free space or choose another folder/u,
    );
    expect(error.code).toBe('disk-full');
    const left = await readdir(join(disk, 'data')).catch(() => []);
    expect(left.filter((name) => !name.endsWith('.jsonl'))).toEqual([]);
  });

  it('stops pretrain with the remedy; with space again the run goes on from its last checkpoint', async (context) => {
    await mountOrSkip(2048, (note) => context.skip(note));
    const run = join(disk, 'run');
    const ballast = join(disk, 'ballast');
    const options = {
      recipe: { ...smallTrainingRecipe(good), steps: '6 steps', checkpoint: { every: '2 steps', keep: 3 } },
      run,
    };
    let filling: Promise<unknown> = Promise.resolve();
    const progress = {
      update: () => {},
      // After the first checkpoint something else takes the whole disk.
      note: (line: string) => {
        if (!line.startsWith('checkpoint')) return;
        filling = writeFile(ballast, Buffer.alloc(4 << 20)).catch(() => undefined);
      },
      stop: () => {},
    };
    const error = await expectError(
      pretrain(options, { progress }),
      StateError,
      /ENOSPC: the disk is full; free space or choose another folder/u,
    );
    await filling;
    expect(error.code).toBe('disk-full');
    const checkpoint = await latestCheckpoint(run);
    if (!checkpoint) throw new Error('expected the checkpoint before the disk was full, got none');
    expect((await readState(checkpoint)).step).toBe(checkpoint.step);
    expect((await readdir(join(run, 'checkpoints'))).filter((name) => name.includes('.tmp'))).toEqual([]);
    await rm(ballast);
    const { status, resumedFrom } = await pretrain(options);
    expect(status).toBe('finished');
    expect(resumedFrom).toBe(checkpoint.step);
  });
});
