/**
 * Bad input through pretrain as a user meets it: every fault gives the typed error whose text holds the remedy. Nothing
 * hangs: each case has a limit of time.
 */
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pretrain } from '@polygate/app-pretrain';
import { ConfigError, EngineError, FormatError, sealJson, StateError } from '@polygate/core';
import { latestCheckpoint } from '@polygate/training';
import { saveTokenizer, trainTokenizer } from '@polygate/tokens';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copySuite, expectError, folder, good, newRun, timeout, train, useSmallSuite } from './bad-input.ts';
import { put, smallTrainingRecipe } from './small-suite.ts';

useSmallSuite();

describe('pretrain refuses', { timeout }, () => {
  let tensors = 0;
  beforeEach(() => {
    tensors = tf.memory().numTensors;
  });
  afterEach(async () => {
    expect(tf.memory().numTensors).toBe(tensors);
    for (const run of (await readdir(folder)).filter((name) => name.startsWith('run-'))) {
      expect(await latestCheckpoint(join(folder, run))).toBeUndefined();
    }
  });

  it('a tokenizer that the suite was not prepared with', async () => {
    const suite = await copySuite();
    const other = trainTokenizer(['other words than those'], { vocabularySize: 300 });
    await saveTokenizer(other, join(suite, 'tokenizer.json'));
    const { tokenizerHash } = JSON.parse(await readFile(join(suite, 'suite.json'), 'utf8')) as {
      tokenizerHash: string;
    };
    const error = await expectError(
      train([], suite),
      StateError,
      `expected the one that the data was made with (sha256 ${tokenizerHash}), got another (sha256 ${other.hash}`,
    );
    expect(error.message).toContain('use the tokenizer.json beside the data or prepare it again');
    expect(error.code).toBe('tokenizer-mismatch');
    // Also where suite.json goes along with it: the shards know theirs.
    const text = await readFile(join(suite, 'suite.json'), 'utf8');
    const { sha256: _, ...edited } = JSON.parse(text.replace(tokenizerHash, other.hash)) as {
      sha256: string;
    };
    await writeFile(join(suite, 'suite.json'), sealJson(edited));
    await expectError(
      train([], suite),
      ConfigError,
      `tokenizer: expected rows tokenized by ${other.hash}, got rows tokenized by ${tokenizerHash}; use the tokenizer.json that lies beside the data`,
    );
  });

  it('keys, recipes and presets that it does not know, with those that it knows', async () => {
    await expectError(
      train(['optimizer.learningrate=1']),
      ConfigError,
      /^unknown setting "optimizer\.learningrate": did you mean "optimizer\.learningRate"\? known: /u,
    );
    const recipe = { ...smallTrainingRecipe(good), optimiser: {} };
    await expectError(
      pretrain({ recipe, run: await newRun() }),
      ConfigError,
      'unknown recipe key "optimiser": did you mean "optimizer"?',
    );
    await expectError(
      pretrain({ recipe: 'dmeo', run: await newRun() }),
      ConfigError,
      /^unknown pretrain recipe "dmeo": did you mean "demo"\? known: /u,
    );
    await expectError(
      train(['model.preset=mini-mo']),
      ConfigError,
      /^unknown preset "mini-mo": did you mean "mini-moe"\? known: /u,
    );
  });

  it('datasets and splits that the suite has not, and datasets of another kind', async () => {
    await expectError(
      train(['tasks.colours.dataset=colors']),
      ConfigError,
      'unknown dataset "colors": did you mean "colours"? known: bars, colours, lines',
    );
    await expectError(
      train(['tasks.colours.split=trian']),
      ConfigError,
      'unknown split of colours "trian": did you mean "train"?',
    );
    await expectError(
      train(['tasks.colours.dataset=lines']),
      ConfigError,
      'task "colours": expected a dataset of kind labelled-image for image-classification, got "lines" of kind text; colours would do',
    );
  });

  it('a suite that is not there, or is no suite', async () => {
    await expectError(
      train([], join(folder, 'none')),
      ConfigError,
      `suite: expected a prepared folder, got no suite.json in ${join(folder, 'none')}; run prepare first`,
    );
    const suite = await copySuite();
    await writeFile(join(suite, 'suite.json'), '{"name":');
    await expectError(
      train([], suite),
      FormatError,
      'suite.json: expected JSON, got the end of the text at 1:9; run prepare again',
    );
    await writeFile(join(suite, 'suite.json'), '{"name":"small","version":99}');
    await expectError(train([], suite), FormatError, 'expected version 1, got 99; run prepare again');
  });

  it('shards that are cut, changed or gone', async () => {
    const suite = await copySuite();
    const whole = smallTrainingRecipe(suite);
    // One task, so that the first update reads the damaged rows.
    const recipe = { ...whole, tasks: { colours: whole.tasks.colours }, steps: '2 steps' };
    const attempt = async () => pretrain({ recipe, run: await newRun() });
    const shard = join(suite, 'colours/train/shard-00000.arrow');
    const bytes = await readFile(shard);
    const again = 'prepare the data again$';
    await truncate(shard, bytes.length - 100);
    await expectError(
      attempt(),
      FormatError,
      new RegExp(
        `shard-00000\\.arrow: footer at byte \\d+: expected a file of ${bytes.length} bytes, .*${again}`,
        'u',
      ),
    );
    const flipped = Buffer.from(bytes);
    const middle = bytes.length >> 1;
    flipped[middle] = (flipped[middle] ?? 0) ^ 1;
    await writeFile(shard, flipped);
    await expectError(
      attempt(),
      FormatError,
      new RegExp(`shard-00000\\.arrow: batch 0 at byte \\d+: expected CRC-32 .*${again}`, 'u'),
    );
    await rm(shard);
    await expectError(
      attempt(),
      FormatError,
      new RegExp(
        `shard-00000\\.arrow: expected a readable file named by the manifest, got ENOENT; .*${again}`,
        'u',
      ),
    );
    await rm(dirname(shard), { recursive: true });
    await expectError(
      attempt(),
      FormatError,
      /colours\/train\/_manifest\.json: expected the manifest of a folder of shards, got ENOENT; .*prepare the data first$/u,
    );
  });

  it('a condition that it does not know, and more choices than experts', async () => {
    await expectError(
      train(['model.moe.condition=atribute']),
      ConfigError,
      /^unknown condition "atribute": did you mean "attribute"\? known: attribute, context, modality, task, task-specific, token/u,
    );
    await expectError(
      train(['model.moe.topK=4']),
      ConfigError,
      /^encoder: expected moe\.topK to be at most moe\.experts \(3\), got 4; lower moe\.topK or raise moe\.experts$/u,
    );
  });

  it('slots for less than one token, and takes the mended recipe in the same folder', async () => {
    const run = await newRun();
    const attempt = (factor: string) =>
      pretrain({
        recipe: { ...smallTrainingRecipe(good), steps: '1 steps', checkpoint: { every: '100%' } },
        set: ['model.moe.condition=token', 'model.moe.topK=1', `model.moe.capacityFactor=${factor}`],
        run,
      });
    // Of 3 experts each gets 0.01 * N / 3 slots: one only from 300 tokens on, and no batch of two images has them.
    await expectError(
      attempt('{"train":0.01}'),
      ConfigError,
      /^train: step 1 \(task "colours"\): capacity: expected slots for at least one token per expert, got capacityFactor 0\.01 \* topK 1 \* \d+ tokens \/ 3 experts = 0\.\d+; raise capacityFactor, or use 'dropless'$/u,
    );
    expect((await attempt('dropless')).status).toBe('finished');
    // With a checkpoint the folder is its recipe's.
    await expectError(
      attempt('{"train":1}'),
      ConfigError,
      /^run .*: expected the recipe that the run began with, got other settings: model\.moe\.capacityFactor; choose another --run folder, or delete this one to start over$/u,
    );
    await rm(run, { recursive: true });
  });

  it('a start of other sizes', async () => {
    const scratch = await mkdtemp(join(folder, 'start-'));
    const { run: from } = await pretrain({
      recipe: smallTrainingRecipe(good),
      set: ['steps=1 steps'],
      run: scratch,
    });
    await expectError(
      train([`initialize.from=${from}`, 'model.hidden=20']),
      ConfigError,
      "transfer: expected a start of the model's sizes, got others: hidden (model 20, start 16); give the model hidden 16, or train a start of the model's sizes",
    );
  });

  it('an engine or a device that it does not know', async () => {
    await expectError(
      train(['engine=wsam']),
      ConfigError,
      /^unknown engine "wsam": did you mean "wasm"\? known: auto, cpu, /u,
    );
    await expectError(train(['device=tpu']), ConfigError, 'device: expected cpu, cuda or cuda:N, got "tpu"');
  });

  it('an engine that is not installed, with what to install', async (context) => {
    const name = 'tfjs-node-gpu';
    const installed = ((): boolean => {
      try {
        return createRequire(import.meta.url).resolve(`@tensorflow/${name}`) !== '';
      } catch {
        return false;
      }
    })();
    if (installed) return context.skip(`${name} is installed here`);
    const error = await expectError(
      train([`engine=${name}`]),
      EngineError,
      'engine tfjs-node-gpu: expected it to start, got: ',
    );
    expect(error.message).toContain('npm install @tensorflow/tfjs-node-gpu');
    expect(error.code).toBe('engine-missing');
  });

  it('a run folder that can not be written', async () => {
    await put(folder, 'blocked', 'a file');
    const error = await expectError(
      pretrain({ recipe: smallTrainingRecipe(good), run: join(folder, 'blocked/run') }),
      StateError,
      /^write .*blocked\/run.*: a part of the path is a file; choose another folder; nothing was changed/u,
    );
    expect(error.code).toBe('not-writable');
  });
});
