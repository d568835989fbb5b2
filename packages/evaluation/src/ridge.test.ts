import { describe, expect, it } from 'vitest';
import { fitRidge, nearestRow } from './ridge.ts';

describe('ridge regression', () => {
  it('is the least penalised squares, by hand', () => {
    // x = -1, 1 and y = 0, 4: mean 2, x'y = 4, x'x + 2 = 4, so the weight is 1 and the offset the mean.
    const one = fitRidge(
      { features: Float64Array.of(-1, 1), targets: Float64Array.of(0, 4) },
      { width: 1, alpha: 2 },
    );
    expect([[...one.weights], [...one.offsets], [...one.answer([3])]]).toEqual([[1], [2], [5]]);
    // Rows (0,0), (2,0), (0,2), (2,2), centred to +-1; y = 8 + 5 x1 centred: x'x = 4 I, x1'y = 20, x2'y = 0: 20/5, 0.
    const two = fitRidge(
      {
        features: Float64Array.of(0, 0, 2, 0, 0, 2, 2, 2),
        targets: Float64Array.of(3, 13, 3, 13),
      },
      { width: 2 },
    );
    expect([...two.weights]).toEqual([4, 0]);
    expect([...two.answer([1, 9])]).toEqual([8]);
  });

  it('has the gradient of its loss at zero, of several outputs and dependent columns', () => {
    const [rows, width, outputs] = [7, 4, 2];
    const features = Float64Array.from({ length: rows * width }, (_, i) =>
      i % width === 3 ? Math.sin(i - 3) * 2 : Math.sin(i),
    );
    const targets = Float64Array.from({ length: rows * outputs }, (_, i) => Math.cos(3 * i));
    const { weights, answer } = fitRidge({ features, targets }, { width, alpha: 0.5 });
    for (let o = 0; o < outputs; o += 1) {
      for (let i = 0; i < width; i += 1) {
        let gradient = 0.5 * (weights[i * outputs + o] ?? 0);
        for (let row = 0; row < rows; row += 1) {
          const x = features.subarray(row * width, (row + 1) * width);
          gradient += ((answer(x)[o] ?? 0) - (targets[row * outputs + o] ?? 0)) * (x[i] ?? 0);
        }
        expect(gradient).toBeCloseTo(0, 10);
      }
    }
  });

  it('refuses arrays that do not belong together', () => {
    const targets = Float64Array.of(1);
    expect(() => fitRidge({ features: Float64Array.of(1, 2, 3), targets }, { width: 2 })).toThrow(
      'fitRidge: expected features [N, 2] and targets [N, O], got 3 and 1 numbers',
    );
    expect(() => fitRidge({ features: Float64Array.of(1), targets }, { width: 1, alpha: 0 })).toThrow(
      'expected an alpha above 0, got 0',
    );
  });
});

describe('the nearest row', () => {
  it('is the first of equally near ones', () => {
    const rows = Float64Array.of(0, 0, 3, 4, 0, 1, 1, 0);
    expect([nearestRow(rows, [3, 3]), nearestRow(rows, [0.5, 0.5]), nearestRow(rows, [0, 2])]).toEqual([
      1, 0, 2,
    ]);
  });
});
