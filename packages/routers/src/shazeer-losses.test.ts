import { createRandom } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import type { AuxiliaryLoss, AuxiliaryLossInput } from './auxiliary-loss.ts';
import { auxiliaryLossNamed, auxiliaryLossNames, registerAuxiliaryLoss } from './auxiliary-losses.ts';
import { squaredVariation } from './shazeer-losses.ts';
import { chooseExperts } from './token-choice.ts';

const inputOf = (
  clean: Float32Array,
  { noise = 0, drawn = new Float32Array(clean.length), renormalize = false, topK = 2, experts = 3 } = {},
): AuxiliaryLossInput => {
  const noisy = clean.map((logit, at) => logit + noise * (drawn[at] ?? 0));
  return { clean, noisy, noise, renormalize, choices: chooseExperts(noisy, { experts, topK, renormalize }) };
};

describe('importance', () => {
  it('is the squared variation of the sums of gates', () => {
    // Softmax of ln 1, ln 2, ln 5: 1/8, 2/8, 5/8; of ln 4, ln 2, ln 2: 1/2, 1/4, 1/4. The two largest: sums
    // [1/2, 1/4 + 1/4, 5/8]; mean 13/24; variance (2 (1/24)^2 + (2/24)^2) / 3 = 2/576 = 1/288; over (13/24)^2: 2/169.
    const input = inputOf(Float32Array.from([1, 2, 5, 4, 2, 2], Math.log));
    expect(auxiliaryLossNamed('importance').evaluate(input).value).toBeCloseTo(2 / 169, 6);
  });
});

describe('load', () => {
  it('is the squared variation of counts without noise, and passes no gradient', () => {
    // Chosen: experts 2 and 1, then 0 and 1: loads [1, 2, 1]; mean 4/3, variance 2/9, over 16/9: 1/8.
    const { value, gradient } = auxiliaryLossNamed('load').evaluate(
      inputOf(Float32Array.from([1, 2, 5, 4, 2, 2], Math.log)),
    );
    expect(value).toBeCloseTo(1 / 8, 6);
    expect([...gradient()]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('is the chance to be chosen with noise that is drawn anew', () => {
    // Logits 0, 1, 2 without noise in this draw, deviation 1, one chosen: 2. The others must beat 2, and 2 must beat 1:
    // P = Phi(-2), Phi(-1), Phi(1) = 0.02275, 0.15866, 0.84134.
    const [a, b, c] = [0.02275, 0.15866, 0.84134];
    const mean = (a + b + c) / 3;
    const variance = ((a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2) / 3;
    const input = inputOf(Float32Array.of(0, 1, 2), { noise: 1, topK: 1 });
    expect(auxiliaryLossNamed('load').evaluate(input).value).toBeCloseTo(variance / mean ** 2, 4);
  });
});

it.each<[string, boolean]>([
  ['importance', false],
  ['importance', true],
  ['load', false],
  ['balance', false],
  ['z', false],
])('%s (renormalised: %s) has the gradient of its central differences', (name, renormalize) => {
  const loss: AuxiliaryLoss = auxiliaryLossNamed(name);
  const random = createRandom(3);
  const clean = Float32Array.from({ length: 15 }, () => 2 * random.normal());
  const drawn = Float32Array.from({ length: 15 }, () => random.normal());
  const at = (values: Float32Array) => loss.evaluate(inputOf(values, { noise: 0.5, drawn, renormalize }));
  const gradient = at(clean).gradient();
  clean.forEach((_, i) => {
    const moved = (step: number): number => at(clean.map((value, j) => value + (i === j ? step : 0))).value;
    const expected = (moved(1e-3) - moved(-1e-3)) / 2e-3;
    expect(Math.abs((gradient[i] ?? NaN) - expected), `${i}`).toBeLessThan(2e-3);
  });
});

it('squaredVariation has the gradient of its central differences', () => {
  const values = Float64Array.of(1, 2, 5, 0.5);
  const gradient = squaredVariation(values).gradient();
  values.forEach((_, i) => {
    const moved = (step: number): number =>
      squaredVariation(values.map((value, j) => value + (i === j ? step : 0))).value;
    expect(gradient[i]).toBeCloseTo((moved(1e-5) - moved(-1e-5)) / 2e-5, 6);
  });
});

it('are records that other packages may add to', () => {
  registerAuxiliaryLoss({ ...auxiliaryLossNamed('z'), name: 'a-third', summary: 'for this test' });
  expect(auxiliaryLossNames()).toEqual(['balance', 'z', 'importance', 'load', 'a-third']);
  expect(() => auxiliaryLossNamed('lod')).toThrow('unknown auxiliary loss "lod": did you mean "load"?');
});
