/**
 * The examples of docs/python.md, run as they stand on a model folder and a suite that are written here; what they find
 * is compared with what Polygate says. `POLYGATE_PYTHON` names the interpreter, such as that of a virtual environment with
 * test/python/requirements.txt; where it is not set and python3 lacks the packages, the tests are skipped.
 */
import { encodeFeatures, loadModel, openSuite, saveModel } from '@polygate/generalist';
import { imageSequences, textSequences } from '@polygate/modalities';
import { buildBatch, defineSchema, fixedListValues, textRow, values, writeShards } from '@polygate/stream';
import { segmentRows } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditionalModel, writeTinySuite } from '../packages/generalist/test/tiny-suite.ts';

const packages = ['numpy', 'pyarrow', 'datasets', 'safetensors', 'tokenizers', 'transformers', 'torch'];
const named = process.env['POLYGATE_PYTHON'];
const python = named ?? 'python3';

/** Why nothing can be tried, or undefined. An interpreter that was named is taken at its word, so that a wrong one fails. */
const reason = ((): string | undefined => {
  if (named !== undefined) return undefined;
  const probe = `import importlib.util as u; print(*[n for n in ${JSON.stringify(packages)} if not u.find_spec(n)])`;
  const { status, stdout } = spawnSync(python, ['-c', probe], { encoding: 'utf8' });
  if (status !== 0) return 'there is no python3';
  const lacking = stdout.trim();
  return lacking === '' ? undefined : `python3 lacks ${lacking}; set POLYGATE_PYTHON`;
})();

interface Found {
  readonly examples: number;
  readonly weights: Readonly<Record<string, number[]>>;
  readonly ids: number[];
  readonly batch: number[][];
  readonly rows: number[][];
  readonly specials: string[];
  readonly images: number[];
  readonly pixels: number[];
  readonly labels: number[];
  readonly first: { readonly id: string; readonly label: number; readonly image: number[] };
  readonly trained: number;
  readonly packed: string[];
  readonly former: string;
  readonly reserved: string;
  readonly imagePoints: number[][];
  readonly names: number[][];
}

describe.skipIf(reason)(`docs/python.md${reason === undefined ? '' : ` (${reason})`}`, () => {
  let scratch = '';
  let answers: Found;
  const model = conditionalModel(undefined);

  beforeAll(async () => {
    await tf.setBackend('cpu');
    scratch = await mkdtemp(join(tmpdir(), 'polygate-python-'));
    await cp(await writeTinySuite(), join(scratch, 'data'), { recursive: true });
    await saveModel(model, join(scratch, 'model'));
    const schema = defineSchema({ id: 'utf8', mean: 'float32' });
    const rows = buildBatch(schema, { id: ['a', 'b'], mean: Float32Array.of(1, 2) });
    await writeShards(join(scratch, 'packed'), schema, [rows], { compression: 'lz4' });
    // A folder of before, whose manifest was no hidden file.
    await writeShards(join(scratch, 'former'), schema, [rows]);
    await rename(join(scratch, 'former/_manifest.json'), join(scratch, 'former/manifest.json'));
    const { stdout } = await promisify(execFile)(
      python,
      [
        join(import.meta.dirname, 'python/run_page.py'),
        join(import.meta.dirname, '../docs/python.md'),
        scratch,
      ],
      { maxBuffer: 2 ** 26, timeout: 110_000 },
    );
    answers = JSON.parse(stdout) as Found;
  }, 120_000);
  afterAll(async () => {
    model.dispose();
    await rm(scratch, { recursive: true, force: true });
  });

  it('reads every weight under its name', () => {
    expect(answers.examples).toBe(6);
    const shapes = model.parameters.entries().map(({ name, spec }) => [name, spec.shape]);
    expect(answers.weights).toEqual(Object.fromEntries(shapes));
  });

  it('gives the ids of the tokenizer, and pads with the token that the folder names', () => {
    const { tokenizer } = model;
    const idsOf = (text: string): number[] => [...tokenizer.encode(text)];
    expect(answers.ids).toEqual(idsOf('a red square'));
    const short = idsOf('red');
    const { endoftext } = tokenizer.specials;
    const filled = [...short, ...new Array<number>(answers.ids.length - short.length).fill(endoftext)];
    expect(filled.length).toBeGreaterThan(short.length);
    for (const rows of [answers.batch, answers.rows]) expect(rows).toEqual([answers.ids, filled]);
    expect(answers.specials).toEqual(['<|endoftext|>', '<|endoftext|>', '<|spe|>']);
  });

  it('reads folders of shards whole, compressed or not; of before, by their files', async () => {
    const suite = await openSuite(join(scratch, 'data'));
    const shards = await suite.shards('colours', 'train');
    const all = await shards.read(Array.from({ length: shards.rowCount }, (_, i) => i));
    const pixels = [...fixedListValues(all, 'image')].map(Number);
    expect(answers.images).toEqual([shards.rowCount, 8, 8, 3]);
    expect(answers.pixels).toEqual(pixels);
    expect(answers.labels).toEqual([...values(all, 'label')]);
    expect(answers.trained).toBe(shards.rowCount);
    expect(answers.first).toEqual({
      id: textRow(all, 'id', 0),
      label: answers.labels[0],
      image: pixels.slice(0, 8 * 8 * 3),
    });
    expect(answers.packed).toEqual(['a', 'b']);
    // What the page warns of still is so: else the warning can go.
    expect(answers.former).not.toBe('opened');
    await suite.close();
  });

  it('computes what the encoder computes, as a module of PyTorch', () => {
    expect(answers.reserved).toBe('taken');
    const patches = Float32Array.from({ length: 2 * 4 * 48 }, (_, i) => -1 + (2 * i) / (2 * 4 * 48 - 1));
    const grid = { rows: 2, columns: 2, frames: 1 };
    const images = { size: 2, patches, patchCount: 4, patchWidth: 48, grid };
    const { endoftext } = model.tokenizer.specials;
    tf.tidy(() => {
      const points = encodeFeatures(model, imageSequences(images, segmentRows.image));
      const names = encodeFeatures(
        model,
        textSequences([answers.ids], { row: segmentRows.name, padding: endoftext }),
      );
      for (const [ours, theirs] of [
        [points, answers.imagePoints],
        [names, answers.names],
      ] as const) {
        const flat = theirs.flat();
        const apart = [...ours.dataSync()].reduce(
          (most, x, i) => Math.max(most, Math.abs(x - (flat[i] ?? NaN))),
          0,
        );
        expect(apart).toBeLessThan(1e-6);
      }
    });
  });

  it('gives weights back that open as before', async () => {
    using again = await loadModel(join(scratch, 'model'));
    for (const { name } of model.parameters.entries()) {
      expect(await again.parameters.read(name)).toEqual(await model.parameters.read(name));
    }
  });
});
