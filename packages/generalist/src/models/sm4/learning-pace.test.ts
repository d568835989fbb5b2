import type { RoutingCounts } from '@polygate/routers';
import { describe, expect, it } from 'vitest';
import { addToPace, endPace, paceOf, paceWeights, startPace, type PaceEntry } from './learning-pace.ts';

const rule = { scope: 'task', entropy: 'token', unitMean: false } as const;

const entry = (
  task: string,
  modality: string,
  change: Partial<RoutingCounts>,
  site = 'ffn 0',
): PaceEntry => ({
  task,
  modality,
  site,
  counts: { tokens: 10, choices: [5, 5], gates: [2, 2], entropy: 0, dropped: 0, ...change },
});

describe('adaptive learning pace', () => {
  it('is 1 - softmax of the entropies', () => {
    // softmax(0, ln 3) is (1/4, 3/4): the settled router learns at 3/4, the other at 1/4.
    const [settled = 0, unsettled = 0] = paceWeights([0, Math.log(3)]);
    expect(settled).toBeCloseTo(0.75, 12);
    expect(unsettled).toBeCloseTo(0.25, 12);
    expect(paceWeights([1, 1, 1]).map((weight) => weight.toFixed(4))).toEqual(['0.6667', '0.6667', '0.6667']);
    const scaled = paceWeights([0.2, 0.9, 0.4], true);
    expect(scaled.reduce((sum, weight) => sum + weight, 0) / 3).toBeCloseTo(1, 12);
    // The formula would stop a task of one modality.
    expect(paceWeights([2])).toEqual([1]);
  });

  it('takes the mean over the tokens of all routers of a modality, within its task', () => {
    let state = startPace;
    expect(paceOf(state, { task: 'a', modality: 'image' })).toBe(1);
    state = addToPace(state, [
      entry('a', 'image', { entropy: 0 }),
      entry('a', 'sound', { tokens: 4, entropy: 4 }),
      entry('b', 'image', { entropy: 20 }),
    ]);
    state = addToPace(state, [
      entry('a', 'sound', { tokens: 6, entropy: 4 }),
      entry('a', 'sound', { entropy: 12 }, 'query 0'),
    ]);
    const saved = JSON.parse(JSON.stringify(state)) as typeof state;
    const ended = endPace(saved, rule);
    // Of sound (4 + 4 + 12) / (4 + 6 + 10) = 1, of image 0.
    const share = Math.E / (1 + Math.E);
    expect(paceOf(ended, { task: 'a', modality: 'sound' })).toBeCloseTo(1 - share, 12);
    expect(paceOf(ended, { task: 'a', modality: 'image' })).toBeCloseTo(share, 12);
    expect(paceOf(ended, { task: 'b', modality: 'image' })).toBe(1);
    expect(ended.sums).toEqual([]);
    // A task without a turn keeps its pace, and nothing at all changes nothing.
    const next = endPace(addToPace(ended, [entry('b', 'image', { entropy: 5 })]), rule);
    expect(paceOf(next, { task: 'a', modality: 'sound' })).toBeCloseTo(1 - share, 12);
    expect(endPace(next, rule)).toEqual(next);
  });

  it('weighs all tasks together, or by the choices of experts, where it is told to', () => {
    const state = addToPace(startPace, [
      entry('a', 'image', { choices: [10, 0], entropy: 10 }),
      entry('b', 'image', { choices: [5, 5], entropy: 0 }),
    ]);
    const ended = endPace(state, { ...rule, scope: 'all', entropy: 'choice' });
    // Entropies 0 and ln 2: softmax (1/3, 2/3).
    expect(paceOf(ended, { task: 'a', modality: 'image' })).toBeCloseTo(2 / 3, 12);
    expect(paceOf(ended, { task: 'b', modality: 'image' })).toBeCloseTo(1 / 3, 12);
  });
});
