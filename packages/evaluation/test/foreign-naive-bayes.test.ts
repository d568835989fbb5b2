/** Naive Bayes against scikit-learn's MultinomialNB on the same token counts; fixtures/make_naive_bayes.py made the answers. */
import { naiveBayesLabels } from '@polygate/evaluation';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

interface Case {
  readonly classes: number;
  readonly size: number;
  readonly smoothing: number;
  readonly train: { readonly tokens: readonly number[][]; readonly labels: readonly number[] };
  readonly texts: readonly number[][];
  readonly predicted: readonly number[];
}

const { cases } = JSON.parse(
  await readFile(new URL('./fixtures/naive-bayes.json', import.meta.url), 'utf8'),
) as { readonly cases: readonly Case[] };

describe('naiveBayesLabels', () => {
  it.each(cases.map((each) => [`${each.classes} classes, smoothing ${each.smoothing}`, each] as const))(
    'answers as scikit-learn does: %s',
    (_, { train, texts, predicted, ...options }) => {
      expect([...naiveBayesLabels(train, texts, options)]).toEqual(predicted);
      // Not one class for all, which any rule could give.
      expect(new Set(predicted).size).toBe(options.classes);
    },
  );
});
