/**
 * Bad input through the stages as a user meets it: every fault gives the typed error whose text holds the remedy, or
 * lands in the list of bad samples with its reason, and the samples that are good all arrive. Nothing hangs: each case
 * has a limit of time.
 */
import { execFileSync } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { exportRun, predictImage, predictTexts } from '@polygate/app-predict';
import { prepare } from '@polygate/app-prepare';
import { pretrain } from '@polygate/app-pretrain';
import {
  ConfigError,
  crc32,
  EngineError,
  FormatError,
  PolygateError,
  sealJson,
  StateError,
} from '@polygate/core';
import { loadModel } from '@polygate/generalist';
import { readRun } from '@polygate/runs';
import { latestCheckpoint, readState } from '@polygate/training';
import { saveTokenizer, trainTokenizer } from '@polygate/tokens';
import * as tf from '@tensorflow/tfjs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  IMAGES,
  prepareSmallSuite,
  put,
  smallPrepareRecipe,
  smallTrainingRecipe,
  writeRawFiles,
} from './small-suite.ts';

/** An image's and a name's rows are there; masked text has another. */
const missingRow =
  /^encode: expected a row that this merged model was exported with: (\[attributes [01]{8}\] ?)+; got \[attributes [01]{8}\]; export /u;

/** Far above what a case takes on a loaded machine: one that meets it hangs. */
const timeout = 300_000;

let root = '';
/** A suite that stays as it was prepared; cases copy it. */
let good = '';
let folder = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-bad-input-'));
  good = (await prepareSmallSuite(join(root, 'good'))).directory;
}, timeout);
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'case-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The error of a call: of the class, with the text, and nothing in it that only a programmer could read. */
const expectError = async (
  call: Promise<unknown>,
  type: abstract new (...given: never[]) => PolygateError,
  text: string | RegExp,
): Promise<PolygateError> => {
  const error: unknown = await call.then(
    () => new Error('expected an error, got none'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  const typed = error as PolygateError;
  expect(typed.message).toMatch(text);
  expect(typed.message).not.toMatch(/\n\s+at |undefined|\[object/u);
  expect(typed.code).not.toBe('');
  return typed;
};

const prepareSmall = (set: readonly string[] = []) =>
  prepare({ recipe: smallPrepareRecipe, set, workDirectory: folder });

/** Each attempt has a run folder of its own: folders belong to the first recipe that they were used with. */
const newRun = (): Promise<string> => mkdtemp(join(folder, 'run-'));

const train = async (set: readonly string[] = [], suite = good) =>
  pretrain({ recipe: smallTrainingRecipe(suite), set: ['steps=2 steps', ...set], run: await newRun() });

/** A copy of the good suite to damage. */
const copySuite = async (): Promise<string> => {
  const suite = join(folder, 'suite');
  await cp(good, suite, { recursive: true });
  return suite;
};

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
};

/** A grey PNG of 12 x 12 pixels, made by hand so that its bytes are known. */
const png = (): Buffer => {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(12, 0);
  header.writeUInt32BE(12, 4);
  header[8] = 8;
  const rows = Buffer.alloc(12 * 13, 0x80);
  for (let row = 0; row < 12; row += 1) rows[row * 13] = 0;
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
};

interface Quarantined {
  readonly dataset: string;
  readonly id: string;
  readonly code: string;
  readonly reason: string;
}

const quarantineOf = async (directory: string): Promise<Quarantined[]> =>
  (await readFile(join(directory, 'quarantine.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Quarantined);

const rowsOf = (splits: Readonly<Record<string, { readonly rows: number }>> = {}): number =>
  Object.values(splits).reduce((sum, { rows }) => sum + rows, 0);

describe('bad samples', { timeout }, () => {
  it('are listed with their reasons, and the good ones all arrive', async () => {
    await writeRawFiles(folder);
    const whole = png();
    const flipped = Buffer.from(whole);
    // Byte 50 lies in the compressed pixels (8 signature, 25 IHDR, 8 before the data).
    flipped[50] = (flipped[50] ?? 0) ^ 0xff;
    const images = {
      'good.png': whole,
      'flipped.png': flipped,
      'cut.png': whole.subarray(0, whole.length - 25),
      'text.png': Buffer.from('not an image at all'),
      'empty.png': Buffer.alloc(0),
    };
    for (const [name, bytes] of Object.entries(images)) {
      await put(folder, `images/grey/${name}`, bytes);
      await put(folder, `images/grey/captioned-${name}`, bytes);
    }
    const table = await readFile(join(folder, 'captions.csv'), 'utf8');
    const lines = Object.keys(images).map((name) => `grey/captioned-${name},a grey image`);
    lines.push('grey/gone.png,a missing one', 'red/left-2.svg,', 'red/left-3.svg,   ', '../secret.png,out');
    lines.push('red/left-4.svg,one,two,three');
    await writeFile(join(folder, 'captions.csv'), `${table}${lines.join('\n')}\n`);
    await put(folder, 'book.txt', `${'a good line of a book\n'.repeat(6)}<|endoftext|> in a line\n`);

    const { directory, suite } = await prepareSmall(['limits.rate=0.5', 'sources.lines.testPercent=0']);
    const listed = await quarantineOf(directory);
    const of = (dataset: string): string[] =>
      listed
        .filter((entry) => entry.dataset === dataset)
        .map(({ id, code }) => `${id}: ${code}`)
        .sort();
    const corrupt = ['cut', 'empty', 'flipped', 'text'];
    expect(of('colours')).toEqual(
      [...corrupt, ...corrupt.map((name) => `captioned-${name}`)]
        .map((name) => `grey/${name}.png: corrupt-image`)
        .sort(),
    );
    // The table has a header and two lines for each image before these.
    const line = (extra: number): number => 1 + 2 * IMAGES + extra;
    expect(of('bars')).toEqual(
      [
        ...corrupt.map((name) => `grey/captioned-${name}.png: corrupt-image`),
        'grey/gone.png: missing-file',
        `red/left-2.svg (line ${line(7)}): empty-caption`,
        `red/left-3.svg (line ${line(8)}): empty-caption`,
        '../secret.png: path-outside',
        `line ${line(10)}: field-count`,
      ].sort(),
    );
    expect(of('lines')).toEqual(['book.txt:7: special-token']);
    for (const { reason } of listed)
      expect(reason).toMatch(/^expected .+, got:? .+|^expected a path inside/u);
    // 36 drawn images and the good grey one, twice in the folders, once in the table: nothing is lost without a word.
    const [colours, bars] = suite.datasets;
    expect(rowsOf(colours?.splits)).toBe(IMAGES + 2);
    expect(rowsOf(bars?.splits)).toBe(IMAGES + 1);
    expect(Object.values(suite.quarantine).reduce((sum, count) => sum + count, 0)).toBe(listed.length);
  });

  it('stop the preparation when they are too many, and the list stays', async () => {
    await writeRawFiles(folder);
    await put(folder, 'captions.csv', `image,caption\n${'gone.png,\n'.repeat(9)}`);
    const error = await expectError(
      prepareSmall(['limits.run=5']),
      StateError,
      /^prepare bars: expected few bad samples, got empty-caption 6 \(last: .+\); they are listed in .+small\.quarantine\.jsonl: mend the source, or raise limits\.rate and limits\.run$/u,
    );
    expect(error.code).toBe('quarantine-limit');
    expect(await readdir(join(folder, 'data'))).toEqual(['small.quarantine.jsonl']);
  });
});

describe('prepare refuses', { timeout }, () => {
  it('a table whose columns are others', async () => {
    await writeRawFiles(folder);
    const table = await readFile(join(folder, 'captions.csv'), 'utf8');
    await writeFile(join(folder, 'captions.csv'), table.replace('image,caption', 'image,words'));
    const error = await expectError(
      prepareSmall(),
      ConfigError,
      /captions\.csv: expected the caption column to be named "caption".*, got the columns "image", "words"; set captionColumn to one of these$/u,
    );
    expect(error.code).toBe('table-column');
    // The remedy works.
    expect((await prepareSmall(['sources.bars.captionColumn=words'])).suite.datasets).toHaveLength(3);
  });

  it('files and folders that are not there', async () => {
    await writeRawFiles(folder);
    await expectError(
      prepareSmall(['sources.bars.file=none.csv']),
      ConfigError,
      `captions file: expected a file, got nothing at ${join(folder, 'none.csv')}`,
    );
    await expectError(
      prepareSmall(['sources.bars.images=none']),
      ConfigError,
      `captions images: expected a folder, got nothing at ${join(folder, 'none')}`,
    );
    await expectError(prepareSmall(['sources.colours.path=none']), ConfigError, /expected .*folder.*none/u);
    await expectError(
      prepareSmall(['sources.lines.files=["none.txt"]']),
      ConfigError,
      /expected a file, got nothing at .*none\.txt/u,
    );
    await expectError(
      prepareSmall(['tokenizer.file=none.json']),
      StateError,
      /expected a readable file at .*none\.json, got ENOENT; give the path of a tokenizer\.json/u,
    );
    expect(await readdir(folder)).not.toContain('data');
  });

  it('recipes and keys that it does not know, with those that it knows', async () => {
    await expectError(
      prepareSmall(['image.sise=16']),
      ConfigError,
      'unknown setting "image.sise": did you mean "image.size"?',
    );
    await expectError(
      prepare({ recipe: { ...smallPrepareRecipe, sorces: {} }, workDirectory: folder }),
      ConfigError,
      'unknown prepare recipe key "sorces": did you mean "sources"?',
    );
    await expectError(
      prepare({ recipe: 'minni', workDirectory: folder }),
      ConfigError,
      /^unknown prepare recipe "minni": did you mean "mini"\? known: /u,
    );
    await expectError(
      prepareSmall(['sources.bars.source=captions-cvs']),
      ConfigError,
      'unknown source "captions-cvs": did you mean "captions-csv"?',
    );
  });

  it('a folder that can not be written', async () => {
    await writeRawFiles(folder);
    // A path below a file: no user, not even root, can write there.
    await put(folder, 'blocked', 'a file');
    const error = await expectError(
      prepare({ recipe: smallPrepareRecipe, workDirectory: folder, output: 'blocked/data' }),
      StateError,
      /^write .*blocked\/data.*: a part of the path is a file; choose another folder; nothing was changed/u,
    );
    expect(error.code).toBe('not-writable');
  });
});

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
      /^capacity: expected slots for at least one token per expert, got capacityFactor 0\.01 \* topK 1 \* \d+ tokens \/ 3 experts = 0\.\d+; raise capacityFactor, or use 'dropless'$/u,
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

describe('a trained model', { timeout }, () => {
  it('is not asked for attribute rows that it was exported without', async () => {
    const { run } = await train();
    const output = join(folder, 'exported');
    await exportRun({ run, engine: 'cpu', output, tasks: ['colours'] });
    const error = await expectError(
      predictTexts('fill', { run: output, engine: 'cpu', texts: ['the bar is ___'] }),
      ConfigError,
      missingRow,
    );
    expect(error.message).toContain('export the trained model again with the task that has it');
    // The task that it was exported with.
    const image = join(root, 'good/images/red/left-2.svg');
    expect(
      await predictImage('classify', { run: output, engine: 'cpu', image, labels: ['red', 'blue'] }),
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
    for (const place of [run, checkpoint, join(run, 'checkpoints', 'latest')])
      for (const use of [loadModel, readRun])
        await expectError(
          use(place),
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
    const place = await latestCheckpoint(run);
    if (!place) throw new Error('expected the checkpoint before the disk was full, got none');
    expect((await readState(place)).step).toBe(place.step);
    expect((await readdir(join(run, 'checkpoints'))).filter((name) => name.includes('.tmp'))).toEqual([]);
    await rm(ballast);
    const { status, resumedFrom } = await pretrain(options);
    expect(status).toBe('finished');
    expect(resumedFrom).toBe(place.step);
  });
});
