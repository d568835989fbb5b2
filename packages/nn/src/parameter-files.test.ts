import { createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW } from './adamw.ts';
import { loadParameters, saveParameters } from './parameter-files.ts';
import type { ParameterSpec } from './parameter-spec.ts';
import { allocateParameters } from './parameters.ts';
import { readSafetensors, writeSafetensors, type WritableTensor } from './safetensors.ts';

let folder = '';
beforeAll(async () => {
  await tf.setBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'polygate-parameters-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const spec = (name: string, shape: readonly number[]): ParameterSpec => ({
  name,
  shape,
  initializer: { kind: 'normal', std: 1 },
  role: 'weight',
});

describe('saveParameters and loadParameters', () => {
  it('return every value, bit for bit in F32 and rounded in BF16', async () => {
    using first = allocateParameters([spec('a', [3, 5]), spec('b', [])], createRandom(1));
    using second = allocateParameters([spec('b', []), spec('a', [3, 5])], createRandom(2));
    const path = join(folder, 'a.safetensors');
    await saveParameters(first, path, { metadata: { note: 'n' } });
    expect((await readSafetensors(path)).metadata).toEqual({ format: 'pt', note: 'n' });
    const report = await loadParameters(second, path);
    expect(report).toEqual({ loaded: ['b', 'a'], missing: [], unexpected: [] });
    expect(await second.read('a')).toEqual(await first.read('a'));
    expect(await second.read('b')).toEqual(await first.read('b'));
    await saveParameters(first, path, { dtype: 'BF16' });
    await loadParameters(second, path);
    const exact = await first.read('a');
    (await second.read('a')).forEach((value, i) => {
      expect(Math.abs(value - (exact[i] as number))).toBeLessThanOrEqual(
        Math.abs(exact[i] as number) * 2 ** -8,
      );
    });
  });

  it('take the bytes of a file for the file', async () => {
    using first = allocateParameters([spec('a', [3, 5])], createRandom(1));
    using second = allocateParameters([spec('a', [3, 5])], createRandom(2));
    const path = join(folder, 'bytes.safetensors');
    await saveParameters(first, path);
    const bytes = await readFile(path);
    // Behind a byte, so that tensors do not lie where their elements are aligned.
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    await loadParameters(second, shifted.subarray(1));
    expect(await second.read('a')).toEqual(await first.read('a'));
    await expect(loadParameters(second, bytes.subarray(0, -1))).rejects.toThrow(
      /^safetensors \(bytes\): .*expected the data to end at byte/u,
    );
  });

  it('list missing and unexpected names and change nothing', async () => {
    using saved = allocateParameters(
      ['a', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => spec(name, [2])),
      createRandom(1),
    );
    using model = allocateParameters([spec('a', [2]), spec('b', [2])], createRandom(2));
    const path = join(folder, 'other.safetensors');
    await saveParameters(saved, path);
    const before = await model.read('a');
    await expect(loadParameters(model, path)).rejects.toThrow(
      "expected exactly the model's 2 parameters, got 1 missing in the file (b) and 6 unexpected in the file (c, d, e, f, g, and 1 more); load into a model of the same configuration or set strict: false",
    );
    expect(await model.read('a')).toEqual(before);
    const report = await loadParameters(model, path, { strict: false });
    expect(report).toEqual({ loaded: ['a'], missing: ['b'], unexpected: ['c', 'd', 'e', 'f', 'g', 'h'] });
    expect(await model.read('a')).toEqual(await saved.read('a'));
  });

  it('list shapes that differ, also when not strict', async () => {
    using saved = allocateParameters([spec('a', [2, 3])], createRandom(1));
    using model = allocateParameters([spec('a', [3, 2])], createRandom(2));
    const path = join(folder, 'shape.safetensors');
    await saveParameters(saved, path);
    await expect(loadParameters(model, path, { strict: false })).rejects.toThrow(
      "expected the model's shapes, got 1 that differ: a (model [3, 2], file [2, 3])",
    );
  });

  it('refuse integers for a parameter', async () => {
    using model = allocateParameters([spec('a', [1])], createRandom(2));
    const path = join(folder, 'integers.safetensors');
    await writeSafetensors(path, new Map([['a', { dtype: 'I32', shape: [1], data: Int32Array.of(1) }]]));
    await expect(loadParameters(model, path)).rejects.toThrow(
      'expected floating-point values (F32, BF16 or F16) for "a", got I32',
    );
  });
});

describe('save and load of an optimizer', () => {
  it('go on bit for bit, counts per parameter included', async () => {
    const specs = [spec('a', [2]), spec('b', [2]), spec('never', [2])];
    using parameters = allocateParameters(specs, createRandom(1));
    using optimizer = new AdamW(parameters);
    const gradient = tf.tensor1d([0.3, -2]);
    await optimizer.step({ a: gradient, b: gradient });
    await optimizer.step({ a: gradient });
    const path = join(folder, 'optimizer.safetensors');
    await optimizer.save(path);
    using copy = allocateParameters(specs, createRandom(9));
    for (const { name } of specs) copy.write(name, await parameters.read(name));
    using resumed = new AdamW(copy);
    const before = tf.memory().numTensors;
    await resumed.load(path);
    expect(tf.memory().numTensors).toBe(before + 4);
    expect([...resumed.state()].map(([name, { count }]) => [name, count])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    for (const target of [optimizer, resumed])
      await target.step({ a: gradient, b: gradient, never: gradient });
    for (const { name } of specs) expect(await copy.read(name)).toEqual(await parameters.read(name));
    gradient.dispose();
  });

  it('refuses the state of another model', async () => {
    using parameters = allocateParameters([spec('a', [2])], createRandom(1));
    using optimizer = new AdamW(parameters);
    const path = join(folder, 'foreign-optimizer.safetensors');
    const moment = { dtype: 'F32', shape: [3], data: new Float32Array(3) } as const;
    await writeSafetensors(
      path,
      new Map<string, WritableTensor>([
        ['m.a', moment],
        ['v.a', moment],
        ['count.a', { dtype: 'I32', shape: [], data: Int32Array.of(1) }],
      ]),
    );
    await expect(optimizer.load(path)).rejects.toThrow('expected a tensor of shape [2] for "a", got [3]');
  });
});
