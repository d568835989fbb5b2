/**
 * A run and the suites that it is used with, through the command line: images are made as prepare made them, ids are
 * those of the run's tokenizer, and many images are asked about in one start.
 */
import { decodeImage } from '@polygate/datasets';
import { readImage, loadModel, type RecipeInput } from '@polygate/generalist';
import { readRun } from '@polygate/runs';
import { fixedListRow, openShards, textRow } from '@polygate/stream';
import { selectEngine } from '@polygate/tensor';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate, tinyModel } from './polygate.ts';

let root = '';
const at = (...path: string[]): string => join(root, ...path);

const put = async (path: string, content: string | Uint8Array): Promise<string> => {
  const file = at(path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
};

const COLOURS = ['red', 'blue', 'lime'];
/** Wide images whose right half is half transparent: fit and background show in every pixel row. */
const wide = (colour: string, i: number): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="24" height="9"><rect width="12" height="9" fill="${colour}"/><rect x="12" width="12" height="9" fill="${colour}" opacity="0.${3 + i}"/></svg>`;

const prepareFolder = async (folder: string, name: string, ...settings: string[]) =>
  polygate(
    'prepare',
    '--recipe',
    'image-folder',
    '--out',
    at('data'),
    ...[
      'baselines=false',
      `name=${name}`,
      `sources.photos.path=${folder}`,
      'sources.photos.testPercent=30',
    ].flatMap((setting) => ['--set', setting]),
    ...settings,
  );

const recipe = (suite: string, tasks: RecipeInput['tasks']): RecipeInput => ({
  suite,
  model: {
    ...tinyModel,
    moe: null,
  },
  ...(tasks ? { tasks } : {}),
  steps: '2 steps',
  engine: 'wasm',
  validation: { every: '100%', limit: 2 },
});

const pretrain = async (name: string, content: RecipeInput) =>
  polygate(
    'pretrain',
    '--recipe',
    await put(`${name}.json`, JSON.stringify(content)),
    '--run',
    at('runs', name),
  );

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-run-suite-'));
  for (const colour of COLOURS) {
    for (let i = 0; i < 6; i += 1) await put(`photos/${colour}/${i}.svg`, wide(colour, i));
  }
  const lines = [
    'image,caption',
    ...COLOURS.flatMap((colour) =>
      Array.from({ length: 6 }, (_, i) => `${colour}/${i}.svg,a ${colour} bar number ${i}`),
    ),
  ];
  await put('captions.csv', `${lines.join('\n')}\n`);
  const made = await prepareFolder(
    at('photos'),
    'wide',
    '--set',
    'image.size=12',
    '--set',
    'image.fit=cover',
    '--set',
    'image.background=#336699',
  );
  expect(made).toMatchObject({ code: 0 });
  const trained = await pretrain(
    'wide',
    recipe(at('data', 'wide'), {
      colour: { family: 'image-classification', dataset: 'photos', batchSize: 3 },
    }),
  );
  expect(trained).toMatchObject({ code: 0 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Pixels of every sample of a suite, by id. */
const prepared = async (suite: string): Promise<Map<string, Uint8Array>> => {
  const pixels = new Map<string, Uint8Array>();
  for (const split of ['train', 'validation', 'test']) {
    const shards = await openShards(join(suite, 'photos', split)).catch(() => undefined);
    if (!shards) continue;
    for await (const batch of shards.batches()) {
      for (let row = 0; row < batch.numRows; row += 1) {
        pixels.set(textRow(batch, 'id', row), Uint8Array.from(fixedListRow(batch, 'image', row)));
      }
    }
    await shards.close();
  }
  return pixels;
};

describe('images of a run', () => {
  it.each([
    ['contain', '#ffffff', 0],
    ['contain', '#336699', 0],
    ['cover', 'black', 0],
    ['cover', '#336699', 6],
  ] as const)('are made as the suite was prepared: %s on %s', async (fit, background, orientation) => {
    const folder = at(`made-${fit}-${background.replace('#', '')}`);
    for (const [i, colour] of COLOURS.entries()) {
      const jpeg = sharp(Buffer.from(wide(colour, i)));
      // Turned by its EXIF entry, as cameras write it.
      await put(
        join(folder.slice(root.length), colour, 'a.png'),
        await (orientation > 0 ? jpeg.withMetadata({ orientation }) : jpeg).png().toBuffer(),
      );
    }
    const name = `made-${fit}-${background.replace('#', '')}`;
    const result = await prepareFolder(
      folder,
      name,
      '--set',
      'image.size=12',
      '--set',
      `image.fit=${fit}`,
      '--set',
      `image.background=${background}`,
      '--set',
      'sources.photos.testPercent=0',
      '--set',
      'sources.photos.validationPercent=0',
    );
    expect(result.code, result.log).toBe(0);
    const trained = await pretrain(name, { ...recipe(at('data', name), undefined), steps: '1 steps' });
    expect(trained.code, trained.log).toBe(0);
    await selectEngine({ engine: 'wasm' });
    using model = await loadModel(at('runs', name));
    expect(model.config.image).toMatchObject({ fit, background, height: 12 });
    for (const [id, pixels] of await prepared(at('data', name))) {
      const { fit: modelFit, background: ground } = model.config.image;
      const read = await readImage(join(folder, id), model.image, {
        ...(modelFit ? { fit: modelFit } : {}),
        ...(ground ? { background: ground } : {}),
      });
      expect(Buffer.from(read).equals(Buffer.from(pixels)), id).toBe(true);
    }
  });

  it('are told of as made by the defaults where an older run does not say', async () => {
    const old = at('runs', 'old');
    await cp(at('runs', 'wide'), old, { recursive: true, dereference: true });
    const { weights } = await readRun(old);
    const config = JSON.parse(await readFile(join(weights, 'config.json'), 'utf8')) as { image: object };
    const exported = at('models', 'old');
    await cp(weights, exported, { recursive: true });
    await rm(join(exported, 'state.json'));
    await writeFile(
      join(exported, 'config.json'),
      JSON.stringify({ ...config, image: { height: 12, width: 12, channels: 3 } }),
    );
    const { code, log } = await polygate(
      'predict',
      'classify',
      at('photos/red/1.svg'),
      '--labels',
      'red,blue',
      '--run',
      exported,
      '--engine',
      'wasm',
    );
    expect(code).toBe(0);
    expect(log).toContain('does not say how its images were made: they are read whole on white');
  });
});

describe('animated images', () => {
  it('are told of by prepare, with their number, and by predict', async () => {
    const frame = (value: number) => Buffer.alloc(8 * 8 * 3, value);
    const gif = await sharp(Buffer.concat([frame(10), frame(120), frame(250)]), {
      raw: { width: 8, height: 24, channels: 3, pageHeight: 8 },
    })
      .gif({ loop: 0, delay: [10, 10, 10] })
      .toBuffer();
    for (const name of ['a/0.gif', 'a/1.gif', 'b/0.gif']) await put(`moving/${name}`, gif);
    await put('moving/b/1.svg', wide('red', 1));
    const { code, log } = await prepareFolder(
      at('moving'),
      'moving',
      '--set',
      'image.size=12',
      '--set',
      'sources.photos.testPercent=0',
    );
    expect(code, log).toBe(0);
    expect(log).toMatch(/the first of 3 frames is used of \S+\.gif and the first of each of 2 more files/u);
    const suite = JSON.parse(await readFile(at('data', 'moving', 'suite.json'), 'utf8')) as { notes: object };
    expect(suite.notes).toEqual({ 'first-frame': 3 });
    const said = await polygate(
      'predict',
      'classify',
      at('moving/a/0.gif'),
      '--labels',
      'red,blue',
      '--run',
      at('runs', 'wide'),
      '--engine',
      'wasm',
    );
    expect(said.log).toContain('0.gif: the first of 3 frames is used');
  });

  it('are counted in every format that has them', async () => {
    const pages = Buffer.alloc(8 * 16 * 3, 9).fill(200, 8 * 8 * 3);
    const two = sharp(pages, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } });
    const still = await sharp(pages, { raw: { width: 8, height: 16, channels: 3 } })
      .png()
      .toBuffer();
    // An animated PNG is a PNG with a chunk acTL (frames, plays) behind the header of 33 bytes.
    const control = Buffer.alloc(20);
    control.writeUInt32BE(8, 0);
    control.write('acTL', 4, 'latin1');
    control.writeUInt32BE(5, 8);
    const { crc32 } = await import('@polygate/core');
    control.writeUInt32BE(crc32(control.subarray(4, 16)), 16);
    const apng = Buffer.concat([still.subarray(0, 33), control, still.subarray(33)]);
    const frames = async (bytes: Uint8Array) => {
      const image = await decodeImage('x', { kind: 'bytes', bytes }, { size: 8 });
      return image.kind === 'image' ? (image.frames ?? 1) : image.reason;
    };
    expect(await frames(await two.clone().webp({ loop: 0 }).toBuffer())).toBe(2);
    expect(await frames(await two.clone().gif().toBuffer())).toBe(2);
    expect(await frames(apng)).toBe(5);
    expect(await frames(still)).toBe(1);
    expect(await frames(await sharp(still).webp().toBuffer())).toBe(1);
    expect(await frames(await sharp(still).tiff().toBuffer())).toBe(1);
  });
});

describe('a suite of another tokenizer', () => {
  const captions = async (name: string, ...settings: string[]) =>
    polygate(
      'prepare',
      '--recipe',
      'captions',
      '--out',
      at('data'),
      ...[
        'baselines=false',
        `name=${name}`,
        `sources.photos.file=${at('captions.csv')}`,
        `sources.photos.images=${at('photos')}`,
        'sources.photos.testPercent=30',
      ].flatMap((setting) => ['--set', setting]),
      ...settings,
    );
  const size = ['--set', 'image.size=12'];

  it('is refused by evaluate, inspect and resume, with a remedy that works', async () => {
    const first = await captions('first', ...size, '--set', 'tokenizer.vocabularySize=290');
    expect(first.code, first.log).toBe(0);
    const tasks = {
      finding: { family: 'image-text-retrieval', dataset: 'photos', batchSize: 3 },
      writing: { family: 'image-captioning', dataset: 'photos', batchSize: 3 },
    } as const;
    const trained = await pretrain('first', recipe(at('data', 'first'), tasks));
    expect(trained.code, trained.log).toBe(0);
    // More ids than the run knows, and as many ids that are other words.
    await put('captions.csv', (await readFile(at('captions.csv'), 'utf8')).replaceAll('number', 'of colour'));
    expect(await captions('larger', ...size, '--set', 'tokenizer.vocabularySize=320')).toMatchObject({
      code: 0,
    });
    expect(await captions('same', ...size, '--set', 'tokenizer.vocabularySize=290')).toMatchObject({
      code: 0,
    });
    // What `prepare --from` writes beside a suite is the recipe to prepare it by.
    await put('data/larger.recipe.json', '{}');
    for (const other of ['larger', 'same']) {
      const asked = ['--run', at('runs', 'first'), '--suite', at('data', other), '--engine', 'wasm'];
      for (const command of [['evaluate'], ['inspect', 'interference']]) {
        const { code, log } = await polygate(...command, ...asked);
        expect(code, `${command.join(' ')} ${other}`).toBe(1);
        expect(log).toContain("expected one prepared with the model's tokenizer (sha256 ");
        expect(log).toContain(
          `prepare one for the model: polygate prepare --recipe ${other === 'larger' ? at('data', 'larger.recipe.json') : 'RECIPE'} --for ${at('runs', 'first')} --set name=${other}-for-first`,
        );
      }
    }
    // The suite changes under a run that is to go on.
    const kept = at('data', 'kept');
    await cp(at('data', 'first'), kept, { recursive: true });
    await rm(at('data', 'first'), { recursive: true });
    await cp(at('data', 'same'), at('data', 'first'), { recursive: true });
    const resumed = await pretrain('first', recipe(at('data', 'first'), tasks));
    expect(resumed.code).toBe(1);
    expect(resumed.log).toContain("expected one prepared with the model's tokenizer");
    expect(resumed.log).toContain(
      `the run ${at('runs', 'first')} is there already: train on this suite in another folder (--run FOLDER, or --set name=NAME); or prepare one`,
    );
    await rm(at('data', 'first'), { recursive: true });
    await cp(kept, at('data', 'first'), { recursive: true });
  });

  it('is one of the run when it is prepared for it', async () => {
    const run = at('runs', 'first');
    const made = await captions('for-run', '--for', run);
    expect(made.code, made.log).toBe(0);
    const scored = await polygate(
      'evaluate',
      '--run',
      run,
      '--suite',
      at('data', 'for-run'),
      '--out',
      at('scores'),
      '--engine',
      'wasm',
    );
    expect(scored.code, scored.log).toBe(0);
    const again = await captions('for-run', '--for', run);
    expect(again.log).toContain('already there');
    const set = await captions('for-run', '--for', run, '--set', 'image.size=16');
    expect(set.code).toBe(2);
    expect(set.log).toContain(
      'expected no setting of image and tokenizer, which the model decides, got --set image.size=16',
    );
  });

  it('of another image size is refused, too', async () => {
    expect(await prepareFolder(at('photos'), 'other-size', '--set', 'image.size=16')).toMatchObject({
      code: 0,
    });
    const other = JSON.parse(await readFile(at('data', 'other-size', 'suite.json'), 'utf8')) as {
      tokenizerHash: string;
    };
    const suite = JSON.parse(await readFile(at('data', 'wide', 'suite.json'), 'utf8')) as {
      tokenizerHash: string;
    };
    expect(other.tokenizerHash).toBe(suite.tokenizerHash);
    const { code, log } = await polygate(
      'evaluate',
      '--run',
      at('runs', 'wide'),
      '--suite',
      at('data', 'other-size'),
      '--engine',
      'wasm',
    );
    expect(code).toBe(2);
    expect(log).toContain("expected images of the model's 12 x 12 pixels, got 16 x 16");
  });
});

describe('predictions of many images', () => {
  const asked = () => ['--labels', 'red,blue', '--run', at('runs', 'wide'), '--engine', 'wasm'];

  it('take files, folders and patterns in one start, one answer an image', async () => {
    const { code, out } = await polygate(
      'predict',
      'classify',
      at('photos/red'),
      at('photos/b*/[0-9].svg').replace('[0-9]', '?'),
      at('photos/lime/0.svg'),
      '--json',
      ...asked(),
    );
    expect(code).toBe(0);
    const answers = out.split('\n').map((line) => JSON.parse(line) as { image: string; labels: unknown[] });
    expect(answers.map(({ image }) => image)).toEqual([
      ...Array.from({ length: 6 }, (_, i) => at(`photos/red/${i}.svg`)),
      ...Array.from({ length: 6 }, (_, i) => at(`photos/blue/${i}.svg`)),
      at('photos/lime/0.svg'),
    ]);
    const [one] = answers;
    const single = await polygate('predict', 'classify', at('photos/red/0.svg'), '--json', ...asked());
    expect(JSON.parse(single.out)).toEqual(one);
  });

  it('list and count the bad ones, and say so by the exit code', async () => {
    const bad = await put('mixed/bad.png', 'no image');
    await put('mixed/good.svg', wide('red', 2));
    const { code, out, log } = await polygate(
      'predict',
      'classify',
      at('mixed'),
      at('mixed/gone.png'),
      ...asked(),
    );
    expect(code).toBe(1);
    expect(out).toContain('good.svg\n');
    expect(log).toContain(
      `expected 3 images that can be read, got 2 that can't: ${bad}, ${at('mixed/gone.png')}`,
    );
    const json = await polygate(
      'predict',
      'caption',
      at('mixed'),
      '--json',
      '--max-tokens',
      '3',
      '--run',
      at('runs', 'wide'),
      '--engine',
      'wasm',
    );
    expect(json.code).toBe(1);
    expect(json.out.split('\n').map((line) => Object.keys(JSON.parse(line) as object))).toEqual([
      ['image', 'captions'],
      ['image', 'error'],
    ]);
    expect((await polygate('predict', 'classify', bad, ...asked())).code).toBe(1);
    const none = await polygate('predict', 'classify', at('photos/*.nothing'), ...asked());
    expect(none.code).toBe(2);
    expect(none.log).toContain('expected files that ');
  });
});
