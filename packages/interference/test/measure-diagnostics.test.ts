/**
 * Diagnostics by hand on a model of two weights: the loss is (w . x - y)^2, x the sum of the features of the modalities that are
 * shown, force [1, 1] and depth [1, -2], and w = [1, 0].
 */
import { createRandom } from '@polygate/core';
import type { Generalist } from '@polygate/generalist';
import { measureDiagnostics } from '@polygate/interference';
import { allocateParameters } from '@polygate/nn';
import type { TaskBatch } from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { showModalities } from '../src/shown-modalities.ts';

const batchOf = (task: string, y: number, depth: readonly [number, number] = [1, -2]): TaskBatch =>
  ({
    task,
    queries: 'prefix',
    values: Float32Array.of(y),
    inputs: {
      size: 1,
      length: 3,
      segments: [
        { modality: 'force', length: 1, arrays: { features: Float32Array.of(1, 1) } },
        { modality: 'depth', length: 1, arrays: { features: Float32Array.of(...depth) } },
      ],
    },
  }) as unknown as TaskBatch;

let model: Generalist;

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  const parameters = allocateParameters(
    [{ name: 'blocks.0.weight', shape: [2], initializer: { kind: 'zeros' }, role: 'weight' }],
    createRandom(1),
  );
  parameters.write('blocks.0.weight', Float32Array.of(1, 0));
  const loss = ({ inputs, values }: TaskBatch) => {
    const shown = inputs.segments.filter((_, at) => inputs.keyPadding?.[1 + at] !== 1);
    const x = [0, 1].map((k) =>
      shown.reduce(
        (sum, { arrays }) => sum + ((arrays as Record<string, Float32Array>)['features']?.[k] ?? 0),
        0,
      ),
    );
    const w = parameters.get('blocks.0.weight') as unknown as tf.Tensor1D;
    return { loss: tf.square(tf.sub(tf.sum(tf.mul(w, x)), values?.[0] ?? 0)) as tf.Scalar, metrics: {} };
  };
  model = { parameters, loss, clearCaches: () => undefined } as unknown as Generalist;
});
afterAll(() => model.parameters.dispose());

describe('diagnostics', () => {
  it('are, of modalities, what the two weights give by hand', async () => {
    const { tasks, weights, between } = await measureDiagnostics(model, [
      { task: 'push', training: [batchOf('push', 3)], validation: [batchOf('push', 1.5)] },
    ]);
    expect([weights, between]).toEqual([2, null]);
    const [push] = tasks;
    // Both: w . [2, -1] = 2: (2 - 3)^2 and (2 - 1.5)^2.
    expect(push).toMatchObject({ training: 1, validation: 0.25, gap: -0.75 });
    // Each alone: w . x = 1: (1 - 3)^2 and (1 - 1.5)^2; the one left over is 0.25 as well, so nothing is missed.
    const alone = { training: 4, validation: 0.25, gap: -3.75, drop: 0, blend: 0.5 };
    expect(push?.modalities).toEqual([
      { modality: 'force', ...alone },
      { modality: 'depth', ...alone },
    ]);
    // Gradients 2 (1 - 3) x: -4 [1, 1] and -4 [1, -2]: cosine (1 - 2) / (sqrt 2 sqrt 5).
    expect(push?.agreement?.cosine[0]?.[1]).toBeCloseTo(-1 / Math.sqrt(10), 6);
    // The first weight: both negative, purity 0. The second: (1 + (-4 + 8) / 12) / 2 = 2/3, in the fourth fifth.
    expect(push?.agreement?.purity).toEqual([0.5, 0, 0, 0.5, 0]);
  });

  it('tell modalities apart, and are means over batches', async () => {
    const of = (y: number): TaskBatch => batchOf('push', y, [3, -2]);
    const { tasks } = await measureDiagnostics(model, [
      { task: 'push', training: [of(2), of(5)], validation: [of(4)] },
    ]);
    const [push] = tasks;
    // Both: w . [4, -1] = 4: (4 + 1) / 2 and 0.
    expect(push).toMatchObject({ training: 2.5, validation: 0, gap: -2.5 });
    // force: w . x = 1: (1 + 16) / 2 and 9; depth: 3: (1 + 4) / 2 and 1. Without one there is the other's loss.
    expect(push?.modalities).toMatchObject([
      { modality: 'force', training: 8.5, validation: 9, gap: 0.5, drop: 1 },
      { modality: 'depth', training: 2.5, validation: 1, gap: -1.5, drop: 9 },
    ]);
    // 9 / 0.5 = 18 and 1 / 1.5 = 2/3.
    expect(push?.modalities[0]?.blend).toBeCloseTo(18 / (18 + 2 / 3), 6);
    // Mean gradients: (-2 - 8) / 2 [1, 1] and (2 - 4) / 2 [3, -2] = [-3, 2].
    expect(push?.agreement?.cosine[0]?.[1]).toBeCloseTo(5 / Math.sqrt(50 * 13), 6);
    // The first weight: 0. The second: (1 + (-5 + 2) / 7) / 2 = 2/7, in the second fifth.
    expect(push?.agreement?.purity).toEqual([0.5, 0.5, 0, 0, 0]);
  });

  it('are, of tasks, what a step on each does to the others, and leave the weights as they were', async () => {
    const tasks = [3, 0].map((y, at) => ({
      task: `task ${at}`,
      // A mean over two equal batches is that of one.
      training: at === 0 ? [batchOf('push', y), batchOf('push', y)] : [batchOf('push', y)],
      validation: [],
    }));
    const { between, tasks: records } = await measureDiagnostics(model, tasks, { step: 0.1 });
    // Gradients 2 (2 - y) [2, -1] point apart.
    expect(between?.cosine[0]?.[1]).toBeCloseTo(-1, 6);
    // [-4, 2] and [8, -4]: (1 + 4 / 12) / 2 = 2/3 and (1 - 2 / 6) / 2 = 1/3.
    expect(between?.purity).toEqual([0, 0.5, 0, 0.5, 0]);
    // A step of 0.1 |w| along them moves w . [2, -1] = 2 by 0.1 sqrt 5 = 0.2236, up for y = 3 and down for y = 0.
    const up = 2 + 0.1 * Math.sqrt(5);
    const down = 2 - 0.1 * Math.sqrt(5);
    const expected = [
      [1 - (up - 3) ** 2 / 1, 1 - up ** 2 / 4],
      [1 - (down - 3) ** 2 / 1, 1 - down ** 2 / 4],
    ];
    expected.flat().forEach((value, at) => expect(between?.affinity.flat()[at]).toBeCloseTo(value, 5));
    expect(records.map(({ validation, gap }) => [validation, gap])).toEqual([
      [null, null],
      [null, null],
    ]);
    expect([...(await model.parameters.read('blocks.0.weight'))]).toEqual([1, 0]);
  });

  it('hide the tokens of a modality in every sample, beside what was padding before', () => {
    const batch = batchOf('push', 0);
    const inputs = { ...batch.inputs, size: 2, keyPadding: Uint8Array.of(0, 0, 1, 0, 0, 0) };
    const shown = showModalities({ ...batch, inputs }, (modality) => modality === 'depth');
    expect([...(shown.inputs.keyPadding ?? [])]).toEqual([0, 1, 1, 0, 1, 0]);
    expect([...inputs.keyPadding]).toEqual([0, 0, 1, 0, 0, 0]);
  });
});
