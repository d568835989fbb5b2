import fc from 'fast-check';
import { createRandom } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { firstOrderChanges } from './first-order.ts';
import { interferenceMatrix, weightedMedian, type LossChanges } from './interference-matrix.ts';

type Vector = readonly [number, number];

/** [T][N] gradients on two weights. */
type Gradients = readonly (readonly Vector[])[];

const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1];

const productsOf = (gradients: Gradients): number[] => {
  const all = gradients.flat();
  return all.flatMap((a) => all.map((b) => dot(a, b)));
};

const firstOrderOf = (gradients: Gradients, step = 1): LossChanges =>
  firstOrderChanges(productsOf(gradients), {
    tasks: gradients.length,
    batches: gradients[0]?.length ?? 0,
    step,
  });

/** Changes by what a function of (i, j, b, a) says, a = b left out. */
const changesOf = (
  tasks: number,
  batches: number,
  change: (i: number, j: number, b: number, a: number) => number,
): LossChanges => {
  const values = new Float64Array(tasks * tasks * batches * batches);
  for (let i = 0; i < tasks; i += 1) {
    for (let j = 0; j < tasks; j += 1) {
      for (let b = 0; b < batches; b += 1) {
        for (let a = 0; a < batches; a += 1) {
          values[((i * tasks + j) * batches + b) * batches + a] = a === b ? NaN : change(i, j, b, a);
        }
      }
    }
  }
  return { tasks, batches, values };
};

/** Batch b of task i has the loss |theta - centre|^2 / 2; the change by a step of length `step` from theta = 0. */
const quadraticChanges = (centres: Gradients, step: number): LossChanges => {
  const loss = (theta: Vector, [x, y]: Vector): number => ((theta[0] - x) ** 2 + (theta[1] - y) ** 2) / 2;
  return changesOf(centres.length, centres[0]?.length ?? 0, (i, j, b, a) => {
    const [x, y] = centres[j]?.[a] as Vector;
    const norm = Math.hypot(x, y);
    // The gradient at 0 is minus the centre, so a step goes towards it.
    const theta: Vector = [(step * x) / norm, (step * y) / norm];
    const centre = centres[i]?.[b] as Vector;
    return loss([0, 0], centre) - loss(theta, centre);
  });
};

const negated = (centres: Gradients): Gradients =>
  centres.map((vectors) => vectors.map(([x, y]): Vector => [-x, -y]));

const three = (vector: Vector): Vector[] => [vector, vector, vector];

describe('interferenceMatrix', () => {
  it('is known by hand for quadratic losses of two weights', () => {
    // Centres (3, 4), |c| = 5, and (4, -3), |c| = 5: at right angles. And (5, 0).
    const centres = [three([3, 4]), three([4, -3]), three([5, 0])];
    const { cells } = interferenceMatrix(firstOrderOf(negated(centres)));
    // D_00 = 5, D_01 = <(3,4),(4,-3)>/5 = 0, D_02 = 3. D_11 = 5, D_12 = 4. D_22 = 5, D_20 = 5*3/5 = 3, D_21 = 4.
    const table = cells.map((row) => row.map(({ ratio }) => Number(ratio.value.toFixed(12))));
    expect(table).toEqual([
      [1, 0, 0.6],
      [0, 1, 0.8],
      [0.6, 0.8, 1],
    ]);
    // Exact, with a step of 1: L(0) - L(u) = <u, c> - |u|^2 / 2 = first order - 1/2, for the Hessian is the identity.
    const exact = interferenceMatrix(quadraticChanges(centres, 1));
    expect(exact.own[0]?.value).toBeCloseTo(4.5, 12);
    expect(exact.cells[0]?.[1]?.ratio.value).toBeCloseTo(-0.5 / 4.5, 12);
    expect(exact.cells[0]?.[2]?.ratio.value).toBeCloseTo(2.5 / 4.5, 12);
    // The step shrinks, the two meet: (0.6 - s/10) / (1 - s/10) at step s.
    const small = interferenceMatrix(quadraticChanges(centres, 1e-4));
    expect(small.cells[0]?.[2]?.ratio.value).toBeCloseTo((0.6 - 1e-5) / (1 - 1e-5), 9);
  });

  it('leaves a batch out of its own step', () => {
    // Task 0: gradients (1,0), (0,1), (0,-1): no batch helps another, D_00[b] from a = b alone would be 1.
    const changes = firstOrderOf([
      [
        [1, 0],
        [0, 1],
        [0, -1],
      ],
      three([1, 1]),
    ]);
    // D_00 = [<(0,1),(1,0)> + <(0,-1),(1,0)>] / 2 = 0; for b = 1: (0 + -1) / 2; for b = 2: (0 + -1) / 2.
    expect(interferenceMatrix(changes).effects[0]?.[0]).toEqual([0, -0.5, -0.5]);
  });

  it('estimates and jackknife errors are known by hand', () => {
    // D_00 = (1, 2, 3), D_01 = (1, -2, 6), whatever the step.
    const selfChanges = [1, 2, 3];
    const other = [1, -2, 6];
    const changes = changesOf(2, 3, (i, j, b) =>
      i === 0 && j === 1 ? (other[b] ?? 0) : (selfChanges[b] ?? 0),
    );
    const cell = interferenceMatrix(changes).cells[0]?.[1];
    // Ratio of means 5/6. Without 0: 4/5; without 1: 7/4; without 2: -1/3; mean 0.738889; squared deviations
    // 0.003735 + 1.022346 + 1.149660 = 2.175741; times 2/3: 1.450494.
    expect(cell?.ratio.value).toBeCloseTo(5 / 6, 12);
    expect(cell?.ratio.standardError).toBeCloseTo(Math.sqrt(1.450494), 5);
    // Ratios 1, -1, 2: mean 2/3. Without 0: 1/2; without 1: 3/2; without 2: 0; squared deviations from 2/3:
    // 1/36 + 25/36 + 16/36 = 42/36; times 2/3: 7/9.
    expect(cell?.mean.value).toBeCloseTo(2 / 3, 12);
    expect(cell?.mean.standardError).toBeCloseTo(Math.sqrt(7 / 9), 12);
    expect(cell?.median.value).toBe(1);
    expect(cell?.median.standardError).toBeGreaterThan(0);
  });

  it('keeps its head where one batch hardly moves: the mean of ratios does not', () => {
    const tiny = 1e-6;
    const selfChanges = [1, 1, 1, 1, tiny];
    const changes = changesOf(2, 5, (i, j, b) =>
      i === 0 && j === 1 ? 0.5 : i === 0 ? (selfChanges[b] ?? 0) : 1,
    );
    const cell = interferenceMatrix(changes).cells[0]?.[1];
    expect(cell?.mean.value).toBeGreaterThan(1e4);
    expect(cell?.median.value).toBe(0.5);
    // 2.5 / 4.000001
    expect(cell?.ratio.value).toBeCloseTo(0.625, 5);
  });

  it('has no ratio where a task has no gradient at all, and no change where the other has none', () => {
    const { cells, own } = interferenceMatrix(firstOrderOf([three([0, 0]), three([3, 4])]));
    expect(own[0]?.value).toBe(0);
    expect(cells[0]?.[1]?.ratio.value).toBeNaN();
    expect(cells[1]?.[0]?.ratio.value).toBe(0);
  });

  it('uses the steps that were measured and skips batches that lack them', () => {
    const full = changesOf(2, 4, (i, j, b, a) => 1 + i + 2 * j + b + 3 * a);
    const sampled = {
      ...full,
      values: full.values.map((value, at) =>
        ((at % 4) - (Math.floor(at / 4) % 4) + 4) % 4 === 1 ? value : NaN,
      ),
    };
    // Only a = b + 1: D_00[b] = 1 + b + 3 * ((b + 1) % 4).
    expect(interferenceMatrix(sampled).effects[0]?.[0]).toEqual([4, 8, 12, 4]);
    expect(interferenceMatrix(sampled).cells[0]?.[1]?.ratio.standardError).toBeGreaterThan(0);
  });

  it('says what it needs', () => {
    expect(() => interferenceMatrix(changesOf(2, 2, () => 1))).toThrow(
      'interference: expected at least 3 batches of each task, got 2; errors need one to leave out and two to compare',
    );
    expect(() => interferenceMatrix({ tasks: 2, batches: 3, values: new Float64Array(5) })).toThrow(
      'expected 36 loss changes for 2 tasks of 3 batches, got 5',
    );
    expect(() => firstOrderChanges([1], { tasks: 2, batches: 3 })).toThrow(
      'expected 36 inner products of 2 tasks of 3 batches, got 1',
    );
  });
});

const vector = fc.tuple(
  fc.double({ min: -2, max: 2, noNaN: true }),
  fc.double({ min: -2, max: 2, noNaN: true }),
);
/** Gradients around a common direction, so that no denominator is near 0. */
const gradients = fc
  .tuple(fc.integer({ min: 2, max: 3 }), fc.integer({ min: 3, max: 6 }))
  .chain(([tasks, batches]) =>
    fc.array(fc.array(vector, { minLength: batches, maxLength: batches }), {
      minLength: tasks,
      maxLength: tasks,
    }),
  )
  .map((all) => all.map((vectors) => vectors.map(([x, y]): Vector => [x + 4, y])));

const close = (a: number, b: number): boolean =>
  Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));

const values = (changes: LossChanges): number[] =>
  interferenceMatrix(changes, { resamples: 5 }).cells.flatMap((row) =>
    row.flatMap(({ ratio, mean, median }) => [
      ratio.value,
      ratio.standardError,
      mean.value,
      mean.standardError,
      median.value,
    ]),
  );

describe('interference of any gradients', () => {
  it('is 1 without error for a task on itself', () => {
    fc.assert(
      fc.property(gradients, (all) => {
        const { cells } = interferenceMatrix(firstOrderOf(all), { resamples: 5 });
        return all.every((_, i) => {
          const cell = cells[i]?.[i];
          return [cell?.ratio, cell?.mean, cell?.median].every(
            (each) => each !== undefined && close(each.value, 1) && each.standardError < 1e-9,
          );
        });
      }),
      { numRuns: 40 },
    );
  });

  it('does not depend on the length of the step or on the scale of losses', () => {
    fc.assert(
      fc.property(gradients, fc.double({ min: 0.1, max: 9, noNaN: true }), (all, factor) => {
        const plain = values(firstOrderOf(all));
        const longer = values(firstOrderOf(all, factor));
        const scaled = values(
          firstOrderOf(
            all.map((vectors, i) =>
              vectors.map(([x, y]): Vector => (i === 0 ? [x * factor, y * factor] : [x, y])),
            ),
          ),
        );
        return plain.every((value, at) => close(value, longer[at] ?? NaN) && close(value, scaled[at] ?? NaN));
      }),
      { numRuns: 40 },
    );
  });

  it('does not depend on the order of the batches', () => {
    fc.assert(
      fc.property(gradients, (all) => {
        const turned = all.map((vectors) => [...vectors.slice(1), vectors[0] as Vector]);
        const plain = values(firstOrderOf(all));
        const other = values(firstOrderOf(turned));
        return plain.every((value, at) => close(value, other[at] ?? NaN));
      }),
      { numRuns: 40 },
    );
  });

  it('is 1 between equal tasks and -1 between opposite ones', () => {
    fc.assert(
      fc.property(gradients, (all) => {
        const vectors = all[0] as readonly Vector[];
        const opposite = vectors.map(([x, y]): Vector => [-x, -y]);
        const { cells } = interferenceMatrix(firstOrderOf([vectors, vectors, opposite]), { resamples: 5 });
        return close(cells[0]?.[1]?.ratio.value ?? NaN, 1) && close(cells[0]?.[2]?.mean.value ?? NaN, -1);
      }),
      { numRuns: 40 },
    );
  });

  it('equals the plain loops of the definition', () => {
    fc.assert(
      fc.property(gradients, (all) => {
        const n = all[0]?.length ?? 0;
        const effect = (i: number, j: number, b: number): number => {
          let sum = 0;
          for (let a = 0; a < n; a += 1) {
            if (a === b) continue;
            const step = all[j]?.[a] as Vector;
            sum += dot(step, all[i]?.[b] as Vector) / Math.hypot(...step) / (n - 1);
          }
          return sum;
        };
        let mean = 0;
        for (let b = 0; b < n; b += 1) mean += effect(0, 1, b) / effect(0, 0, b) / n;
        return close(
          interferenceMatrix(firstOrderOf(all), { resamples: 2 }).cells[0]?.[1]?.mean.value ?? NaN,
          mean,
        );
      }),
      { numRuns: 40 },
    );
  });
});

describe('its standard errors', () => {
  it('agree with the spread over repeated draws of batches', () => {
    const random = createRandom(5);
    const draw = (centre: Vector): Vector => [centre[0] + random.normal(), centre[1] + random.normal()];
    const ratios: number[] = [];
    const errors: number[] = [];
    for (let repeat = 0; repeat < 100; repeat += 1) {
      const all = [
        [2, 1],
        [1, -2],
      ].map((centre) => Array.from({ length: 16 }, () => draw(centre as unknown as Vector)));
      const { ratio } = interferenceMatrix(firstOrderOf(all), { resamples: 1 }).cells[0]?.[1] ?? {};
      ratios.push(ratio?.value ?? NaN);
      errors.push(ratio?.standardError ?? NaN);
    }
    const mean = ratios.reduce((sum, value) => sum + value, 0) / ratios.length;
    const spread = Math.sqrt(
      ratios.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (ratios.length - 1),
    );
    const typical = Math.sqrt(errors.reduce((sum, value) => sum + value ** 2, 0) / errors.length);
    // 100 draws know a spread to about 7 %.
    expect(typical / spread).toBeGreaterThan(0.8);
    expect(typical / spread).toBeLessThan(1.25);
  });
});

describe('weightedMedian', () => {
  it('counts each value as often as its weight says', () => {
    expect(weightedMedian([3, 1, 2], [1, 1, 1])).toBe(2);
    expect(weightedMedian([3, 1, 2], [3, 1, 1])).toBe(3);
    // 1, 1, 2, 3: between 1 and 2.
    expect(weightedMedian([3, 1, 2], [1, 2, 1])).toBe(1.5);
    expect(weightedMedian([NaN, 5], [9, 1])).toBe(5);
    expect(weightedMedian([], [])).toBeNaN();
  });
});
