/** Captions by keys and values that are kept against captions that encode whole sequences at every step. */
import { createRandom } from '@polygate/core';
import type { ExpertConfig } from '@polygate/encoder';
import { exportMerged, type Generalist } from '@polygate/generalist';
import {
  caption,
  patchesOf,
  segmentRows,
  wholeDecoder,
  type CaptionOptions,
  type CaptionPrediction,
} from '@polygate/tasks';
import { imageSequences } from '@polygate/modalities';
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { classes, conditionalModel, drawImage } from './tiny-suite.ts';

const engines = await testEngines();

const images = (model: Pick<Generalist, 'image'>, count: number) =>
  patchesOf(
    Array.from({ length: count }, (_, i) =>
      drawImage(classes[i % classes.length] as 'red', i % 2 === 0 ? 'bar' : 'square', i),
    ),
    model.image,
  );

/** Same tokens in the same order, and log-probabilities a token that are equal up to rounding. */
const expectClose = (
  actual: readonly (readonly CaptionPrediction[])[],
  expected: readonly (readonly CaptionPrediction[])[],
  tolerance = 1e-5,
): void => {
  const tokensOf = (answers: readonly (readonly CaptionPrediction[])[]) =>
    answers.map((texts) => texts.map(({ tokens }) => tokens));
  expect(tokensOf(actual)).toEqual(tokensOf(expected));
  actual.forEach((texts, i) => {
    texts.forEach(({ logProbability, score, tokens }, k) => {
      const other = expected[i]?.[k];
      const difference = Math.abs(logProbability - (other?.logProbability ?? NaN)) / (tokens.length + 1);
      expect(difference).toBeLessThan(tolerance);
      expect(score).toBeCloseTo(other?.score ?? NaN, 3);
    });
  });
};

/** The same captions with kept keys and values as by whole sequences. */
const expectSame = async (model: Generalist, options: CaptionOptions): Promise<void> => {
  const few = images(model, 5);
  expectClose(await caption(model, few, options), await caption(model, few, { ...options, cache: false }));
};

const conditions: readonly (readonly [string, ExpertConfig | undefined])[] = [
  ['nothing: a dense model', undefined],
  ['attribute', { experts: 3, topK: 2 }],
  ['modality', { condition: 'modality', experts: 3 }],
  ['task', { condition: 'task', experts: 3 }],
  ['task-specific', { condition: 'task-specific' }],
  ['token, dropless', { condition: 'token', experts: 3, noise: 0, capacityFactor: 'dropless' }],
];

const ways: readonly (readonly [string, CaptionOptions])[] = [
  ['beam search', { beam: 3, maximumTokens: 7 }],
  ['beam search, finished texts aside', { beam: 3, maximumTokens: 7, lengthPenalty: 1, finished: 'aside' }],
  ['greedy', { method: 'greedy', maximumTokens: 6 }],
  ['sampling', { method: 'sample', count: 3, maximumTokens: 7, temperature: 0.7, seed: 4 }],
];

describe.each(engines.filter(({ precision }) => precision === 'f32'))('captions on $title', (engine) => {
  beforeAll(() => engine.use());

  it.each(ways)('are the same with a cache: %s', async (_, options) => {
    using model = conditionalModel({ experts: 3, topK: 2 }, 2);
    await expectSame(model, { ...options, batch: 3 });
  });
});

describe('captions in bf16', () => {
  const bf16 = engines.find(({ precision }) => precision === 'bf16');
  beforeAll(() => bf16?.use());

  it.skipIf(!bf16)('have log-probabilities with a cache that rounding explains', async () => {
    using model = conditionalModel({ experts: 3, topK: 2 }, 2);
    const opening = {
      inputs: imageSequences(images(model, 2), segmentRows.captionImage),
      row: segmentRows.captionText,
      queryToken: model.tokenizer.specials.spe,
      targets: model.vocabulary.whole(),
      temperature: 'image-captioning',
    };
    using kept = model.decoder(opening, { task: 'writing' });
    using anew = wholeDecoder(model, opening, { task: 'writing' });
    for (const tokens of [[], [5], [5, 9]]) {
      const rows = [0, 1].map((item) => ({ item, tokens }));
      const [cached = new Float32Array(), other = []] = [await kept?.next(rows), await anew.next(rows)];
      expect(Math.max(...cached.map((score, i) => Math.abs(score - (other[i] ?? NaN))))).toBeLessThan(0.4);
    }
  });
});

describe('captions', () => {
  // The fastest that is here.
  beforeAll(async () => {
    await engines
      .filter(({ precision }) => precision === 'f32')
      .at(-1)
      ?.use();
  });

  it.each(conditions)('are the same with a cache where experts go by %s', async (_, moe) => {
    using model = conditionalModel(moe, 3);
    expect(model.encoder.refusesContinuation).toBeUndefined();
    await expectSame(model, { beam: 2, maximumTokens: 6 });
  });

  it('are the same with a cache of an exported model', async () => {
    using model = conditionalModel({ experts: 3, topK: 2 }, 4);
    using exported = exportMerged(model, { tasks: ['writing'] });
    await expectSame(exported, { beam: 2, maximumTokens: 6 });
  });

  it('are the same with a cache of tuned models, two on one base, also on an exported one', async () => {
    using base = conditionalModel({ experts: 3, topK: 2 }, 11);
    using exported = exportMerged(base, { tasks: ['writing'] });
    const written: string[] = [];
    for (const [model, seed] of [
      [base, 1],
      [base, 2],
      [exported, 1],
    ] as const) {
      const random = createRandom(seed);
      const settings = { method: 'prompt', prompts: 3, norms: true, prefixBias: true, noise: true };
      const tuned = model.tuned({
        settings,
        tasks: model.tasks.filter(({ name }) => name === 'writing'),
        random,
      });
      for (const { name, variable } of tuned.parameters.entries()) {
        const values = Float32Array.from(variable.dataSync(), (value) => value + 0.5 * random.normal());
        tuned.parameters.write(name, values);
      }
      tuned.clearCaches();
      await expectSame(tuned, { beam: 2, maximumTokens: 6 });
      const [[text] = []] = await caption(tuned, images(tuned, 1), { maximumTokens: 6 });
      written.push(text?.tokens.join() ?? '');
      tuned.dispose();
    }
    expect(written[1]).not.toBe(written[0]);
    expect(written[2]).toBe(written[0]);
  });

  it.each([
    ['contexts', { condition: 'context', experts: 3, noise: 0, capacityFactor: 'dropless' } as const],
    ['tokens with slots', { condition: 'token', experts: 3, noise: 0 } as const],
  ])('fall back to whole sequences where experts go by %s', async (_, moe) => {
    using model = conditionalModel(moe, 5);
    const few = images(model, 2);
    const options = { maximumTokens: 4 };
    expect(await caption(model, few, options)).toEqual(
      await caption(model, few, { ...options, cache: false }),
    );
  });

  it('of the longest length are the same: every position of the model', async () => {
    using model = conditionalModel({ experts: 3, topK: 2 }, 6);
    const longest = { beam: 2, minimumTokens: 32, maximumTokens: 32 };
    await expectSame(model, longest);
    const [[text] = []] = await caption(model, images(model, 1), longest);
    expect(text?.tokens).toHaveLength(31);
  });

  it('are those that each image has alone, at different lengths, and leave nothing behind', async () => {
    using model = conditionalModel({ experts: 3, topK: 2 }, 7);
    const options = { method: 'sample', maximumTokens: 20, count: 8 } as const;
    const all = await caption(model, images(model, 6), options);
    expect(new Set(all.flat().map(({ tokens }) => tokens.length)).size).toBeGreaterThan(1);
    const { numTensors } = tf.memory();
    // Engines may add up in another order where a batch has another size.
    expectClose(await caption(model, images(model, 6), { ...options, batch: 2 }), all);
    expect(tf.memory().numTensors).toBe(numTensors);
    const [third] = await caption(model, patchesOf([drawImage('blue', 'bar', 2)], model.image), {
      ...options,
      first: 2,
    });
    expect(third?.map(({ tokens }) => tokens)).toEqual(all[2]?.map(({ tokens }) => tokens));
  });

  it('are written as the task was trained to be asked, unless the call says otherwise', async () => {
    const moe = { experts: 3, topK: 2 };
    using plain = conditionalModel(moe, 8);
    const tasks = plain.tasks.map((task) =>
      task.name === 'writing' ? { ...task, settings: { generation: { beam: 4, maximumTokens: 5 } } } : task,
    );
    const trained = Object.assign(Object.create(plain) as Generalist, {
      tasks,
      scores: plain.scores.bind(plain),
    });
    const few = images(plain, 2);
    const answers = await caption(trained, few, { cache: false });
    expect(answers).toEqual(await caption(plain, few, { beam: 4, maximumTokens: 5, cache: false }));
    expect(answers[0]).toHaveLength(4);
    expect((await caption(trained, few, { beam: 3, cache: false }))[0]).toHaveLength(3);
  });

  it('name the image of a model whose weights are no numbers', async () => {
    using model = conditionalModel(undefined, 9);
    model.parameters.write('head.linear.bias', new Float32Array(16).fill(NaN));
    await expect(caption(model, images(model, 2))).rejects.toMatchObject({ code: 'logits-not-finite' });
  });

  it('refuse texts that do not go on from those before', async () => {
    using model = conditionalModel({ experts: 3 }, 10);
    const opening = {
      inputs: imageSequences(images(model, 2), segmentRows.captionImage),
      row: segmentRows.captionText,
      queryToken: model.tokenizer.specials.spe,
      targets: model.vocabulary.whole(),
      temperature: 'image-captioning',
    };
    using decoder = model.decoder(opening);
    const next = (item: number, ...tokens: readonly number[]) => decoder?.next([{ item, tokens }]);
    await expect(next(0, 1)).rejects.toThrow('decoder: expected texts of 0 tokens, got one of 1');
    await next(0);
    await next(0, 4);
    await expect(next(0, 5, 6)).rejects.toThrow(
      'decoder: expected a text that goes on from one of the call before, got tokens 5,6 of sample 0',
    );
    await expect(next(1, 4, 6)).rejects.toThrow(
      'decoder: expected samples that were asked about in every call, got sample 1',
    );
  });
});
