/** Scores that can't be ranked are refused where the model gives them, so that nothing is predicted or reported from them. */
import { StateError } from '@polygate/core';
import { evaluateSuite, type UniPerceiverModel } from '@polygate/generalist';
import { caption, classify, fill, patchesOf, retrieve, retrieveTexts } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { conditionalModel, drawImage, useTinySuite } from './tiny-suite.ts';

const tiny = useTinySuite();

describe('scores that are not finite', () => {
  let model: UniPerceiverModel;
  beforeEach(() => {
    model = conditionalModel(undefined, 9);
  });
  afterEach(() => model.dispose());
  const images = () => patchesOf([drawImage('red', 'bar', 1), drawImage('blue', 'square', 2)], model.image);
  const refused = (value: string) => ({
    code: 'nan-score',
    message: expect.stringMatching(
      new RegExp(
        `^uni-perceiver: expected finite scores of candidates, got ${value} for query \\d+ and candidate \\d+; has the model diverged\\? take an earlier checkpoint$`,
        'u',
      ),
    ) as string,
  });

  it('are refused where the factor of the cosines is infinite', async () => {
    vi.spyOn(model.encoder, 'temperature').mockImplementation(() => tf.scalar(Infinity));
    const infinite = refused('-?Infinity');
    await expect(classify(model, images(), ['red', 'blue'])).rejects.toThrow(StateError);
    await expect(classify(model, images(), ['red', 'blue'])).rejects.toMatchObject(infinite);
    await expect(fill(model, 'the ___ is red')).rejects.toMatchObject(infinite);
    await expect(retrieveTexts(model, images(), ['a red bar', 'a bar'])).rejects.toMatchObject(infinite);
    await expect(caption(model, images(), { maximumTokens: 2 })).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:nan-score|logits-not-finite)$/u) as string,
    });
    await expect(evaluateSuite(model, tiny.data, { limit: 3 })).rejects.toMatchObject(infinite);
    // Cosines alone know no factor.
    expect(await retrieve(model, 'a red bar', images())).toHaveLength(2);
  });

  it('are refused where features are no numbers', async () => {
    model.parameters.write('head.linear.bias', new Float32Array(16).fill(NaN));
    await expect(retrieve(model, 'a red bar', images())).rejects.toMatchObject(refused('NaN'));
    await expect(evaluateSuite(model, tiny.data, { limit: 3 })).rejects.toMatchObject(refused('NaN'));
  });
});
