/** The known questions: every engine of this machine answers them all, each in its own way, so that no answer is one engine's own. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { testEngines } from '../testing/engines.ts';
import { askQuestions, describeWrong } from './ask.ts';
import { geluOf, geluSlope } from './known.ts';
import { knownQuestions } from './questions.ts';

describe.each(await testEngines())('known questions on $title', ({ use, name, precision }) => {
  it('are answered right, and leave no tensor', async () => {
    await use();
    const before = tf.memory().numTensors;
    const layouts = name === 'torch' ? ['NHWC', 'NCHW'] : ['NHWC'];
    const { asked, wrong } = askQuestions(knownQuestions, { precision, layouts });
    expect(wrong.map(describeWrong)).toEqual([]);
    expect(asked).toBeGreaterThan(name === 'wasm' ? 20 : 28);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('known questions', () => {
  it('have names of their own and families', () => {
    const names = knownQuestions.map((question) => question.name);
    expect(new Set(names).size).toBe(names.length);
    // What training goes through, and what other programs train with.
    expect(new Set(knownQuestions.map(({ family }) => family))).toEqual(
      new Set([
        'product',
        'linear',
        'convolution',
        'volume',
        'norm',
        'softmax',
        'activation',
        'attention',
        'expert',
        'look-up',
        'reduction',
        'movement',
        'optimizer',
      ]),
    );
  });

  it('know GELU to double precision', () => {
    // Phi(1) = 0.841344746068542948..., phi(1) = 0.241970724519143349... (Abramowitz & Stegun, table 26.1).
    expect(geluOf(1)).toBeCloseTo(0.8413447460685429, 14);
    expect(geluSlope(1)).toBeCloseTo(0.8413447460685429 + 0.24197072451914337, 14);
    // Phi(-4) = 3.16712418331199e-5.
    expect(geluOf(-4)).toBeCloseTo(-4 * 3.16712418331199e-5, 15);
  });
});
