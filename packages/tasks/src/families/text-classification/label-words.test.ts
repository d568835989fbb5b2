import { trainTokenizer } from '@polygate/tokens';
import { describe, expect, it } from 'vitest';
import { wordCandidates } from './label-words.ts';

const lowercase = trainTokenizer(['it is great. it is bad.'], { vocabularySize: 300, lowercase: true });
const exact = trainTokenizer(['it is great. it is bad.'], { vocabularySize: 300, lowercase: false });

describe('wordCandidates', () => {
  it('refuses words that the tokenizer writes alike', () => {
    const words = ['bad', 'Great', 'great'];
    expect(() => wordCandidates('words', words, { tokenizer: lowercase, spaced: true })).toThrow(
      'words: expected words that the tokenizer tells apart, got "Great" and "great", which have the same tokens; give one class another word',
    );
    expect(wordCandidates('words', words, { tokenizer: exact, spaced: true }).size).toBe(3);
  });
});
