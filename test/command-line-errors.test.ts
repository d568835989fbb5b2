/**
 * What a user sees of a fault: one line that says what was expected, what came and what to do, the exit code of its
 * kind, and a trace only for whoever asks for one.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exitCodes, main, memoryTerminal } from 'polygate';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { prepareSmallSuite, put, smallPrepareRecipe, smallTrainingRecipe } from './small-suite.ts';

const timeout = 120_000;

let root = '';
let suite = '';
/** A trained run, and the recipes as files. */
let run = '';
let prepareRecipe = '';
let trainRecipe = '';
let folder = '';

const polygate = async (...argv: string[]): Promise<{ code: number; out: string[]; log: string[] }> => {
  const terminal = memoryTerminal();
  return { code: await main(argv, terminal), out: terminal.out, log: terminal.log };
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-cli-errors-'));
  suite = (await prepareSmallSuite(root)).directory;
  const { sources, ...recipe } = smallPrepareRecipe;
  prepareRecipe = join(root, 'prepare.json');
  const absolute = {
    colours: { ...sources.colours, path: join(root, 'images') },
    bars: { ...sources.bars, file: join(root, 'captions.csv'), images: join(root, 'images') },
    lines: { ...sources.lines, files: [join(root, 'book.txt')] },
  };
  await writeFile(prepareRecipe, JSON.stringify({ ...recipe, sources: absolute }));
  trainRecipe = join(root, 'train.json');
  const { tasks, ...training } = smallTrainingRecipe(suite);
  const content = {
    ...training,
    tasks: { colours: tasks.colours },
    steps: '1 steps',
    validation: { limit: 1 },
  };
  await writeFile(trainRecipe, JSON.stringify(content));
  run = join(root, 'run');
  expect((await polygate('pretrain', '--recipe', trainRecipe, '--run', run)).log.at(-1)).toMatch(
    /^finished/u,
  );
}, timeout);
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'case-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs a command line that must fail: its exit code and its one line of an error. */
const failure = async (...argv: string[]): Promise<{ code: number; line: string }> => {
  const { code, out, log } = await polygate(...argv);
  const errors = log.filter((line) => line.startsWith('error: '));
  expect(errors).toHaveLength(1);
  const [line = ''] = errors;
  expect(log.at(-1)).toBe(line);
  expect(out).toEqual([]);
  expect(line).not.toMatch(/\n|\s+at .*:\d+:\d+|undefined|\[object/u);
  return { code, line };
};

const prepare = (...set: string[]) =>
  failure(
    'prepare',
    '--recipe',
    prepareRecipe,
    '--out',
    join(folder, 'data'),
    ...set.flatMap((one) => ['--set', one]),
  );
const pretrain = (...more: string[]) =>
  failure('pretrain', '--recipe', trainRecipe, '--run', join(folder, 'run'), ...more);
const classify = (image: string, ...more: string[]) =>
  failure('predict', 'classify', image, '--labels', 'red,blue', '--run', run, '--engine', 'cpu', ...more);

describe('a fault in the input', { timeout }, () => {
  it('a corrupt or missing image of predict', async () => {
    const path = await put(folder, 'broken.png', 'not an image');
    expect(await classify(path)).toEqual({
      code: exitCodes.failed,
      line: `error: image ${path}: expected an image that can be decoded, got 12 bytes of no known format, beginning with 6e 6f 74 20 61 6e 20 69; give a PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG file`,
    });
    const gone = join(folder, 'gone.png');
    expect(await classify(gone)).toEqual({
      code: exitCodes.failed,
      line: `error: image ${gone}: expected an image file, got nothing at its path; give a PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG file`,
    });
  });

  it('a corrupt image of prepare is left out, and the user is told where it is listed', async () => {
    await cp(join(root, 'images'), join(folder, 'images'), { recursive: true });
    await put(folder, 'images/red/broken.png', 'not an image');
    const out = join(folder, 'data');
    const set = ['--set', `sources.colours.path=${join(folder, 'images')}`];
    const { code, log } = await polygate('prepare', '--recipe', prepareRecipe, '--out', out, ...set);
    expect(code).toBe(exitCodes.done);
    expect(log).toContain('prepare small: left out: corrupt-image 1 (quarantine.jsonl)');
    const listed = await readFile(join(out, 'small/quarantine.jsonl'), 'utf8');
    expect(listed).toContain('"id":"red/broken.png","code":"corrupt-image","reason":"expected an image');
  });

  it('a prepare that is stopped ends with the code of an interruption, one line and nothing left over', async () => {
    const terminal = { ...memoryTerminal(), signal: AbortSignal.abort() };
    const out = join(folder, 'stopped');
    expect(await main(['prepare', '--recipe', prepareRecipe, '--out', out], terminal)).toBe(
      exitCodes.interrupted,
    );
    expect(terminal.log.at(-1)).toBe('stopped');
    expect(await readdir(folder)).not.toContain('stopped');
  });

  it.each([
    ['[]', 'got []'],
    ['[{"steps":1}]', 'got [{"steps":1}]'],
    ['null', 'got null'],
    ['7', 'got 7'],
  ])('a recipe file that holds %s, no record', async (text, got) => {
    const path = await put(folder, 'odd.json', text);
    expect(await failure('pretrain', '--recipe', path, '--describe')).toEqual({
      code: exitCodes.usage,
      line: `error: recipe ${path}: expected a record of settings, ${got}; write the settings as {"key": value}`,
    });
  });

  it('a folder for results that takes none, before anything is scored', async () => {
    const file = await put(folder, 'file', '');
    const { code, log } = await polygate(
      'evaluate',
      '--run',
      run,
      '--engine',
      'cpu',
      '--out',
      join(file, 'x'),
    );
    expect(code).toBe(exitCodes.failed);
    expect(log.at(-1)).toMatch(/got ENOTDIR: a part of the path is a file; choose another folder/u);
    expect(log.join('\n')).not.toContain('top-1');
  });

  it('a missing file and a table of other columns', async () => {
    const none = join(folder, 'none.csv');
    expect(await prepare(`sources.bars.file=${none}`)).toMatchObject({
      code: exitCodes.usage,
      line: expect.stringMatching(
        /^error: .*captions file: expected a file, got nothing at .*none\.csv; /u,
      ) as string,
    });
    const table = await readFile(join(root, 'captions.csv'), 'utf8');
    const other = await put(folder, 'other.csv', table.replace('image,caption', 'image,words'));
    expect(await prepare(`sources.bars.file=${other}`)).toEqual({
      code: exitCodes.usage,
      line: expect.stringMatching(
        /^error: .*other\.csv: expected the caption column to be named "caption".*, got the columns "image", "words"; set captionColumn to one of these$/u,
      ) as string,
    });
  });

  it('a shard that is cut', async () => {
    const copy = join(folder, 'suite');
    await cp(suite, copy, { recursive: true });
    const shard = join(copy, 'colours/train/shard-00000.arrow');
    await truncate(shard, (await readFile(shard)).length - 100);
    expect(await pretrain('--set', `suite=${copy}`)).toEqual({
      code: exitCodes.failed,
      line: expect.stringMatching(
        /^error: .*shard-00000\.arrow: footer at byte \d+: expected a file of \d+ bytes, .*prepare the data again$/u,
      ) as string,
    });
  });
});

describe('a fault in the command', { timeout }, () => {
  it('an engine that is unknown, or not there', async () => {
    expect(await pretrain('--engine', 'wsam')).toEqual({
      code: exitCodes.usage,
      line: 'error: unknown engine "wsam": did you mean "wasm"? known: auto, cpu, tfjs-node, tfjs-node-gpu, torch, wasm',
    });
    expect(await pretrain('--engine', 'tfjs-node-gpu')).toEqual({
      code: exitCodes.engine,
      line: expect.stringMatching(
        /^error: engine tfjs-node-gpu: expected it to start, got: .*; npm install @tensorflow\/tfjs-node-gpu/u,
      ) as string,
    });
  });

  it('a way to resume that there is not, before anything is opened', async () => {
    for (const command of ['pretrain', 'tune'])
      expect(await failure(command, '--resume', 'runs/small'), command).toEqual({
        code: exitCodes.usage,
        line: 'error: unknown way to resume "runs/small": known: auto, last-good, must, never',
      });
  });

  it('a key that no recipe has', async () => {
    expect(await pretrain('--set', 'optimizer.learningrate=1')).toEqual({
      code: exitCodes.usage,
      line: expect.stringMatching(
        /^error: unknown setting "optimizer\.learningrate": did you mean "optimizer\.learningRate"\? known: /u,
      ) as string,
    });
    const recipe = await put(folder, 'recipe.json', JSON.stringify({ optimiser: {} }));
    expect(await failure('pretrain', '--recipe', recipe)).toEqual({
      code: exitCodes.usage,
      line: expect.stringMatching(
        /^error: unknown recipe key "optimiser": did you mean "optimizer"\? known: /u,
      ) as string,
    });
  });

  it('conditions, choices and slots that no experts can have', async () => {
    const set = (...settings: string[]) => pretrain(...settings.flatMap((one) => ['--set', one]));
    expect(await set('model.moe.condition=atribute')).toEqual({
      code: exitCodes.usage,
      line: 'error: unknown condition "atribute": did you mean "attribute"? known: attribute, context, modality, task, task-specific, token, token-by-modality, token-by-task',
    });
    expect(await set('model.moe.topK=4')).toEqual({
      code: exitCodes.usage,
      line: 'error: encoder: expected moe.topK to be at most moe.experts (3), got 4; lower moe.topK or raise moe.experts',
    });
    const few = 'model.moe.capacityFactor={"train":0.01}';
    expect(await set('model.moe.condition=token', few)).toEqual({
      code: exitCodes.usage,
      line: expect.stringMatching(
        /^error: train: step 1 \(task "colours"\): capacity: expected slots for at least one token per expert, got capacityFactor 0\.01 \* topK 2 \* \d+ tokens \/ 3 experts = 0\.\d+; raise capacityFactor, or use 'dropless'$/u,
      ) as string,
    });
  });

  it('a start of other sizes', async () => {
    const set = [`initialize.from=${run}`, 'model.heads=3'].flatMap((one) => ['--set', one]);
    expect(await pretrain(...set)).toEqual({
      code: exitCodes.usage,
      line: "error: transfer: expected a start of the model's sizes, got others: heads (model 3, start 2); give the model heads 2, or train a start of the model's sizes",
    });
  });

  it('a question to an exported model that it has no attribute row for', async () => {
    const out = join(folder, 'exported');
    const { code } = await polygate('export', '--run', run, '--out', out, '--engine', 'cpu');
    expect(code).toBe(exitCodes.done);
    expect(await failure('predict', 'fill', 'the bar is ___', '--run', out, '--engine', 'cpu')).toEqual({
      code: exitCodes.usage,
      line: expect.stringMatching(
        /^error: encode: expected a row that this merged model was exported with: (\[attributes [01]{8}\] ?)+; got \[attributes [01]{8}\]; export the trained model again with the task that has it \(polygate export --tasks\)$/u,
      ) as string,
    });
  });

  it('a folder that can not be written', async () => {
    // A path below a file: no user, not even root, can write there.
    await put(folder, 'blocked', 'a file');
    const expected = (blockedAt: string) => ({
      code: exitCodes.failed,
      line: expect.stringMatching(
        new RegExp(
          `^error: write .*blocked/${blockedAt}.*: a part of the path is a file; choose another folder; nothing was changed`,
          'u',
        ),
      ) as string,
    });
    expect(
      await failure('prepare', '--recipe', prepareRecipe, '--out', join(folder, 'blocked/data')),
    ).toEqual(expected('data'));
    const blocked = join(folder, 'blocked/run');
    expect(await failure('pretrain', '--recipe', trainRecipe, '--run', blocked)).toEqual(expected('run'));
  });
});

describe('a trace', { timeout }, () => {
  const image = (): string => join(folder, 'gone.png');
  const traced = async (...argv: string[]): Promise<string> =>
    (
      await polygate(
        'predict',
        'classify',
        image(),
        '--labels',
        'red',
        '--run',
        run,
        '--engine',
        'cpu',
        ...argv,
      )
    ).log.at(-1) ?? '';

  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('comes for who asks for it, by flag or DEBUG', async () => {
    const trace = /^error: image .*\nStateError: .*\n {4}at /u;
    expect(await traced()).not.toMatch(/\n/u);
    expect(await traced('--verbose')).toMatch(trace);
    vi.stubEnv('DEBUG', 'polygate');
    expect(await traced()).toMatch(trace);
    vi.stubEnv('DEBUG', 'another-program');
    expect(await traced()).not.toMatch(/\n/u);
  });
});

it('the same line and exit code leave the process', { timeout }, async () => {
  const command = join(import.meta.dirname, '../apps/polygate/bin/polygate.js');
  const image = join(folder, 'gone.png');
  const argv = ['predict', 'classify', image, '--labels', 'red', '--run', run, '--engine', 'cpu'];
  const error: unknown = await promisify(execFile)(process.execPath, [command, ...argv]).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({
    code: exitCodes.failed,
    stdout: '',
    stderr: expect.stringMatching(
      new RegExp(
        `^(engine cpu .*\\n)?error: image ${image}: expected an image file, got nothing at its path; .*\\n$`,
        'u',
      ),
    ) as string,
  });
});
