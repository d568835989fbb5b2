/** The settings of generation as options of a verb of `predict`. */
import type { PredictOption } from '../families/predictor.ts';
import type { GenerationOptions } from './generation-options.ts';

/** One option for each setting; what a model was trained to be asked with comes before the defaults named here. */
export const generationFlags: readonly (PredictOption & { readonly name: keyof GenerationOptions })[] = [
  {
    name: 'method',
    type: 'choice',
    choices: ['beam', 'greedy', 'sample'],
    summary: 'search for likely texts, take the likeliest token each time, or draw (default: beam)',
  },
  { name: 'beam', type: 'count', summary: 'texts that beam search follows (default: 2)', most: 1024 },
  {
    name: 'maximumTokens',
    flag: 'max-tokens',
    type: 'count',
    summary: 'longest text, end token included (default: 21)',
    most: 2 ** 16,
  },
  {
    name: 'minimumTokens',
    flag: 'min-tokens',
    type: 'count',
    summary: 'shortest text, end token included (default: 2)',
    most: 2 ** 16,
  },
  {
    name: 'lengthPenalty',
    flag: 'length-penalty',
    type: 'number',
    summary: 'power of the length that sums of log p are divided by (default: 0)',
  },
  {
    name: 'finished',
    type: 'choice',
    choices: ['stay', 'aside'],
    summary: 'whether finished texts stay in the beam or are put aside (default: stay)',
  },
  {
    name: 'temperature',
    type: 'number',
    summary: 'of draws; below 1 sharpens the distribution (default: 1)',
  },
  {
    name: 'topK',
    flag: 'top-k',
    type: 'count',
    summary: 'likeliest tokens that are drawn from',
    most: 2 ** 24,
  },
  {
    name: 'topP',
    flag: 'top-p',
    type: 'number',
    summary: 'probability that the tokens that are drawn from reach (default: 1)',
  },
  {
    name: 'uniqueNgram',
    flag: 'unique-ngram',
    type: 'count',
    summary: 'tokens of a run that is not written twice',
    most: 2 ** 16,
  },
  {
    name: 'repetitionPenalty',
    flag: 'repetition-penalty',
    type: 'number',
    summary: 'factor of log p of tokens that stand in the text (default: 1)',
  },
  { name: 'count', type: 'count', summary: 'texts of each sample (default: the beam)', most: 1024 },
  { name: 'seed', type: 'count', summary: 'of draws (default: 1)', most: Number.MAX_SAFE_INTEGER },
];
