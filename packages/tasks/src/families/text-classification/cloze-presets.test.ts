/** Every cloze form of GLUE, token for token, against the published patterns. */
import { attributeRow, rowKey } from '@polygate/attributes';
import { trainTokenizer } from '@polygate/tokens';
import { describe, expect, it } from 'vitest';
import { textToText, segmentRows } from '../../signatures.ts';
import { clozeFormOf, clozePresetNamed, clozePresetNames } from './cloze-presets.ts';
import { parseCloze } from './cloze.ts';
import { labelWords, wordCandidates } from './label-words.ts';

const tokenizer = trainTokenizer(['it is a long day. this is not so, yes or no?'], {
  vocabularySize: 320,
  lowercase: true,
});
const { spe: S, endoftext: E } = tokenizer.specials;
const ids = (text: string): number[] => [...tokenizer.encode(text)];
/** Texts as tokens, with S and E as they stand. */
const sequence = (...parts: (string | number)[]): number[] =>
  parts.flatMap((part) => (typeof part === 'number' ? [part] : ids(part)));

const A = 'a long day.';
const B = 'not so.';

/**
 * The published layouts: [A], [B] the texts, S the blank, E the end token, `-.` without the final full stop. A word that
 * stands behind another begins with its space here, and so does the one that fills the blank.
 */
const published: readonly (readonly [task: string, layout: number[], words: Record<string, string>])[] = [
  // A E It is S . E
  ['sst-2', sequence(A, E, ' It is', S, ' .', E), { negative: 'bad', positive: 'wonderful' }],
  // A This is S . E
  ['cola', sequence(A, ' This is', S, ' .', E), { unacceptable: 'incorrect', acceptable: 'correct' }],
  // A-. ? E it is S , B E
  [
    'rte',
    sequence('a long day', ' ?', E, ' it is', S, ' , ', B, E),
    { entailment: 'yes', not_entailment: 'no' },
  ],
  // A-. . S , B E
  ['mrpc', sequence('a long day', ' .', S, ' , ', B, E), { not_equivalent: 'no', equivalent: 'yes' }],
  // A-. E S , B E
  ['qqp', sequence('a long day', E, S, ' , ', B, E), { not_duplicate: 'no', duplicate: 'yes' }],
  // A-. E it is S , B E
  ['qnli', sequence('a long day', E, ' it is', S, ' , ', B, E), { entailment: 'yes', not_entailment: 'no' }],
  // A S , B E
  ['mnli', sequence(A, S, ' , ', B, E), { entailment: 'yes', neutral: 'maybe', contradiction: 'no' }],
];

describe('cloze forms of GLUE', () => {
  it('are all seven', () => {
    expect([...clozePresetNames()].sort()).toEqual(published.map(([task]) => task).sort());
  });

  it.each(published)('%s is laid out as published', (task, layout, words) => {
    const preset = clozePresetNamed(task);
    const cloze = parseCloze(preset.pattern, tokenizer);
    const { ids: filled, blank } = cloze.fill([ids(A), ids(B)], 256);
    expect([...filled]).toEqual(layout);
    expect(blank).toBe(layout.indexOf(S));
    expect(preset.words).toEqual(words);
  });

  it('strip the final full stop alone, and none where there is none', () => {
    const { pattern } = clozePresetNamed('qqp');
    const fill = (text: string): number[] => [
      ...parseCloze(pattern, tokenizer).fill([ids(text), ids(B)], 64).ids,
    ];
    const rest = sequence(E, S, ' , ', B, E);
    expect(fill('a day. long')).toEqual([...ids('a day. long'), ...rest]);
    expect(fill('a day .')).toEqual([...ids('a day'), ...rest]);
    expect(fill('is it so?')).toEqual([...ids('is it so?'), ...rest]);
    // A text that is a full stop stays, or there would be nothing.
    expect(fill('.')).toEqual([...ids('.'), ...rest]);
  });

  it('have the attribute rows that follow from text in, text out', () => {
    const derived = attributeRow(textToText, { modality: 'text', causal: false, source: 'input' });
    expect(rowKey(segmentRows.maskedText)).toBe(rowKey(derived));
  });
});

describe('clozeFormOf', () => {
  const classes = ['negative', 'positive'];
  const glue = { name: 'sst-2', classes, settings: { cloze: 'sst-2' } };

  it('takes what a task says over its preset, and that over the one of its data', () => {
    expect(clozeFormOf({}, { name: 'own', classes })).toEqual({});
    expect(clozeFormOf({}, glue)).toEqual({
      pattern: '{a}{end} It is ___ .',
      words: { negative: 'bad', positive: 'wonderful' },
      scores: ['accuracy'],
    });
    expect(clozeFormOf({ pattern: '{a} ___' }, glue)).toMatchObject({
      pattern: '{a} ___',
      words: { negative: 'bad', positive: 'wonderful' },
    });
    expect(clozeFormOf({ preset: 'cola', words: { negative: 'no', positive: 'yes' } }, glue)).toEqual({
      pattern: '{a} This is ___ .',
      words: { negative: 'no', positive: 'yes' },
      scores: ['Matthews', 'accuracy'],
    });
  });

  it('refuses a preset of other classes', () => {
    expect(() => clozeFormOf({ preset: 'mnli' }, glue)).toThrow(
      'preset "mnli": expected the classes entailment, neutral, contradiction, got negative, positive of dataset sst-2; give words for its classes',
    );
    expect(() => clozeFormOf({ preset: 'wnli' }, glue)).toThrow('unknown cloze preset "wnli"');
  });
});

describe('words of classes', () => {
  it('are refused without a token, and with a special one', () => {
    expect(() => labelWords('own', ['a', 'b'], { a: ' ' })).toThrow(
      'task "own": expected words of one token or more, got " " for the class "a"; give it a word',
    );
    expect(() => wordCandidates('words:own', ['so', '<|endoftext|>'], { tokenizer, spaced: true })).toThrow(
      'words:own: expected plain words, got "<|endoftext|>", which holds a special token; give the class another word',
    );
  });
});
