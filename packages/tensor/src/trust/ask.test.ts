/** What counts as a wrong answer, and how it is told. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { selectEngine } from '../engine.ts';
import { askQuestions, describeWrong } from './ask.ts';
import { examine, type Workaround } from './examine.ts';
import type { Question } from './question.ts';

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

const question = (values: readonly number[], more: Partial<Question> = {}): Question => ({
  name: 'a product',
  family: 'product',
  ask: () => [{ name: 'result', given: tf.tensor1d([...values]), right: Float64Array.of(1, -4) }],
  ...more,
});
const options = { precision: 'f32', layouts: ['NHWC'] } as const;
const told = (asked: Question, precision: 'f32' | 'bf16' = 'f32'): string[] =>
  askQuestions([asked], { ...options, precision }).wrong.map(describeWrong);

describe('an answer', () => {
  it('is right within the rounding of its precision', () => {
    // The largest right element is 4: 1e-4 of it is 4e-4.
    expect(told(question([1.0003, -4]))).toEqual([]);
    expect(told(question([1.0005, -4]))).toEqual([
      'a product: result is off by 0.012 % of the largest value',
    ]);
    expect(told(question([1.07, -4]), 'bf16')).toEqual([]);
    expect(told(question([1.09, -4]), 'bf16')).toEqual([
      'a product: result is off by 2.3 % of the largest value',
    ]);
    expect(told(question([1.09, -4], { slack: 2 }), 'bf16')).toEqual([]);
    // What is float32 in every precision has its tolerance.
    expect(told(question([1.0005, -4], { exact: true }), 'bf16')).toHaveLength(1);
  });

  it('is wrong where it is NaN, of another size, or none at all', () => {
    expect(told(question([Number.NaN, -4]))).toEqual(['a product: result is not finite']);
    expect(told(question([Infinity, -4]))).toEqual(['a product: result is not finite']);
    expect(told(question([1]))).toEqual(['a product: result is not finite']);
    const refused = question([], {
      ask: () => {
        throw new Error('no such product\nat some place');
      },
    });
    expect(told(refused)).toEqual(['a product: refused (no such product)']);
  });

  it('names the worst part', () => {
    const right = Float64Array.of(1);
    const parts = [
      { name: 'result', given: tf.tensor1d([1.1]), right },
      { name: 'gradient to x', given: tf.tensor1d([3]), right },
      { name: 'gradient to y', given: tf.tensor1d([2]), right },
    ];
    expect(told(question([], { ask: () => parts }))).toEqual([
      'a product: gradient to x is off by 200 % of the largest value',
    ]);
  });

  it('is not asked of an engine that would refuse', () => {
    const asked = (more: Partial<Question>) => askQuestions([question([9, 9], more)], options).asked;
    expect(asked({ kernels: ['NoSuchKernel'] })).toBe(0);
    expect(asked({ kernels: ['Conv2D'] })).toBe(1);
    expect(asked({ layout: 'NCHW' })).toBe(0);
  });
});

describe('other ways', () => {
  /** A question that is right as long as the ways say so, and the ways that were tried. */
  const withWays = (
    right: (on: ReadonlySet<string>) => boolean,
    repairs: Readonly<Record<string, string>>,
  ) => {
    const on = new Set<string>();
    const tried: string[] = [];
    const ways: Workaround[] = Object.entries(repairs).map(([name, family]) => ({
      name,
      repairs: [family],
      use(use) {
        tried.push(`${use ? '+' : '-'}${name}`);
        if (use) on.add(name);
        else on.delete(name);
      },
    }));
    const asked = question([], {
      ask: () => [{ name: 'result', given: tf.tensor1d([right(on) ? 1 : 2]), right: Float64Array.of(1) }],
    });
    return { answers: examine([asked], options, ways), tried };
  };

  it('are tried in order, for the families that are wrong, and given up where they do not help', () => {
    const { answers, tried } = withWays((on) => on.has('c'), {
      a: 'product',
      b: 'norm',
      c: 'product',
      d: 'product',
    });
    expect(tried).toEqual(['+a', '-a', '+c']);
    expect(answers).toMatchObject({ asked: 1, workarounds: ['c'], wrong: [] });
    expect(answers.found).toHaveLength(1);
  });

  it('are left alone where nothing is wrong', () => {
    expect(withWays(() => true, { a: 'product' }).tried).toEqual([]);
  });

  it('are all given up where none helps', () => {
    const { answers, tried } = withWays(() => false, { a: 'product' });
    expect(tried.at(-1)).toBe('-a');
    expect(answers.workarounds).toEqual([]);
    expect(answers.wrong).toEqual(answers.found);
  });

  it('that are wrong themselves are found when all is asked again', () => {
    const on = new Set<string>();
    const way = (name: string): Workaround => ({
      name,
      repairs: [name],
      use: (use) => void (use ? on.add(name) : on.delete(name)),
    });
    const asked = (name: string, right: () => boolean): Question => ({
      name,
      family: name,
      ask: () => [{ name: 'result', given: tf.tensor1d([right() ? 1 : 2]), right: Float64Array.of(1) }],
    });
    // The first is right by its other way alone, and that makes the second wrong unless it takes its own.
    const questions = [asked('a', () => on.has('a')), asked('b', () => !on.has('a') || on.has('b'))];
    const { workarounds, wrong, found } = examine(questions, options, [way('a'), way('b')]);
    expect({ workarounds, wrong, found: found.length }).toEqual({
      workarounds: ['a', 'b'],
      wrong: [],
      found: 1,
    });
  });
});
