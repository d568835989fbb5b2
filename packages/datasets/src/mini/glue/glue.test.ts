import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placePackage } from '../../../test/support/placed-package.ts';
import { readItems } from '../../../test/support/read-items.ts';
import { runningTextNamed } from '../texts/text-registry.ts';
import { wordNet30 } from '../sources/wordnet-30.ts';
import { parseRelatedSynset } from '../wordnet-data.ts';
import { isValidationSynset } from '../wordnet.ts';
import { substituteWord } from './substitution-inference.ts';
import { understandingTaskNamed, understandingTaskNames } from './task-registry.ts';
import { wordPairs } from './word-in-context.ts';

/** Lemmas of made-up nouns: half a hundred, of which some are held out by their hash. */
const lemmas = Array.from(
  { length: 60 },
  (_, i) => `w${'abcdefghijklmnopqrst'[i % 20]}${'xyz'[Math.floor(i / 20)]}or`,
);
const offset = (i: number): string => String(1000 + i).padStart(8, '0');

/** A line of a data file: offset, file, type, lemmas with numbers, relations, gloss. */
const line = (
  i: number,
  type: string,
  file: number,
  words: readonly string[],
  relations: readonly string[],
  gloss: string,
): string =>
  `${offset(i)} ${String(file).padStart(2, '0')} ${type} ${words.length.toString(16).padStart(2, '0')} ${words.map((word) => `${word} 0`).join(' ')} ${String(relations.length).padStart(3, '0')} ${relations.map((relation) => `${relation} `).join('')}| ${gloss}  `;

let root = '';
const load = (name: string) =>
  understandingTaskNamed(name).load({ every: 1, packages: { cacheDirectory: root } });
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-glue-'));
  // Each noun has two senses: an animal with two examples, and a food; the animal's general word is the next one's.
  const nouns = lemmas.flatMap((lemma, i) => [
    line(
      2 * i,
      'n',
      5,
      [lemma, lemmas[(i + 1) % 60] ?? ''],
      [`@ ${offset((2 * i + 2) % 120)} n 0000`],
      `an animal of the kind ${i} that lives here; "the ${lemma} ran away from us"; "they saw a ${lemma} at night"`,
    ),
    line(
      2 * i + 1,
      'n',
      13,
      [lemma],
      [],
      `some food that is made of number ${i} alone; "we ate ${lemma} all day"`,
    ),
  ]);
  const verbs = lemmas.map((lemma, i) => line(i, 'v', 38, [`${lemma}ate`], [], `move in the manner ${i}`));
  const adjectives = [
    line(0, 'a', 0, ['hot'], [`! ${offset(1)} a 0101`], 'of a high temperature; "the hot soup burnt him"'),
    line(
      1,
      'a',
      0,
      ['cold(p)'],
      [`! ${offset(0)} a 0101`],
      'of a low temperature; "the cold soup was no good"',
    ),
  ];
  await placePackage(root, wordNet30, {
    'usr/share/wordnet/data.noun': ['  1 This software and database', ...nouns, ''].join('\n'),
    'usr/share/wordnet/data.verb': verbs.join('\n'),
    'usr/share/wordnet/data.adj': adjectives.join('\n'),
    'usr/share/wordnet/data.adv': '',
  });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('WordNet with relations', () => {
  it('is parsed as wndb(5WN) has it', () => {
    expect(
      parseRelatedSynset(
        'noun',
        '02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 003 @ 02083346 n 0000 ~ 01322604 n 0000 ! 00001111 s 0201 | a member of the genus; "the dog barked all night"  ',
      ),
    ).toEqual({
      id: 'noun-02084071',
      part: 'noun',
      topic: 'animal',
      lemmas: ['dog', 'domestic_dog', 'Canis_familiaris'],
      definition: 'a member of the genus',
      examples: ['the dog barked all night'],
      relations: [
        { kind: 'hypernym', to: 'noun-02083346', fromLemma: -1, toLemma: -1 },
        { kind: 'antonym', to: 'adj-00001111', fromLemma: 1, toLemma: 0 },
      ],
    });
    expect(parseRelatedSynset('verb', '00001740 29 v 01 breathe 0 000 | draw air')?.topic).toBe('body');
    expect(parseRelatedSynset('noun', '00001740 03 n 01 entity 0 000 | all')?.topic).toBe('');
  });
});

describe('tasks of WordNet', () => {
  const names = [
    'word-in-context',
    'supersense-noun',
    'supersense-verb',
    'definition-match',
    'substitution-inference',
  ];

  it('have lemmas on one side, the same in all of them and in running text', async () => {
    const sides = new Map<string, Set<string>>();
    const tested = new Set<string>();
    for (const name of names) {
      const { splits } = await readItems(await load(name));
      for (const [split, samples] of Object.entries(splits)) {
        for (const { extra, texts = [] } of samples) {
          const lemma = extra?.['lemma'] ?? '';
          sides.set(lemma, (sides.get(lemma) ?? new Set()).add(split));
          // The second sentence of an inference is a changed one.
          const kept = name === 'substitution-inference' ? texts.slice(0, 1) : texts;
          if (split === 'test') kept.forEach((text) => tested.add(text.replace(/^\w+: /u, '')));
        }
      }
    }
    expect(sides.size).toBeGreaterThan(80);
    expect([...sides.values()].filter(({ size }) => size > 1)).toEqual([]);
    expect([...sides].every(([lemma, split]) => isValidationSynset([lemma]) === split.has('test'))).toBe(
      true,
    );
    // No definition or sentence of a tested lemma is in the training text.
    const text = await readItems(
      await runningTextNamed('wordnet').load({ every: 1, packages: { cacheDirectory: root } }),
    );
    const training = (text.splits['train'] ?? []).map(({ texts }) => texts?.[0] ?? '');
    const whole = [...tested].filter((each) => each.length > 15);
    expect(whole.length).toBeGreaterThan(3);
    expect(whole.filter((each) => training.some((line) => line.includes(each)))).toEqual([]);
  });

  it('have no training text that is tested', async () => {
    for (const name of names) {
      const { splits } = await readItems(await load(name));
      const tested = new Set(splits['test']?.map(({ texts }) => JSON.stringify(texts)));
      const trained = (splits['train'] ?? []).map(({ texts }) => JSON.stringify(texts));
      expect(trained.filter((each) => tested.has(each))).toEqual([]);
      expect(trained.length).toBeGreaterThan(name === 'substitution-inference' ? 0 : 20);
    }
  });

  it('have as many pairs of equal as of different senses, with the word in both', async () => {
    const { splits } = await readItems(await load('word-in-context'));
    for (const samples of [
      splits['test'] ?? [],
      [...(splits['train'] ?? []), ...(splits['validation'] ?? [])],
    ]) {
      expect(samples.filter(({ label }) => label === 1).length).toBe(samples.length / 2);
      for (const { texts = [], extra } of samples) {
        const lemma = extra?.['lemma'] ?? '';
        expect(texts[0]?.startsWith(`${lemma}: `)).toBe(true);
        expect(texts.every((text) => text.includes(lemma))).toBe(true);
      }
    }
  });

  it('take at most three pairs of each word and class', () => {
    const synset = {
      id: 'noun-1',
      part: 'noun' as const,
      topic: 'animal',
      lemmas: ['wombat'],
      definition: 'x',
      examples: ['a wombat ran', 'the wombat ate', 'two wombats slept here', 'old wombats die'],
      relations: [],
    };
    const pairs = wordPairs([synset, { ...synset, id: 'noun-2', examples: ['a wombat of gold'] }]);
    expect(pairs.map(({ label }) => label).sort()).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it('put one word in place of another, whole words alone', () => {
    expect(substituteWord('The hot soup, hotter than hot', 'hot', 'cold')).toBe(
      'The cold soup, hotter than hot',
    );
    expect(substituteWord('photography', 'photo', 'x')).toBeUndefined();
    expect(substituteWord('it costs $5', 'costs', '$& more')).toBe('it $& more $5');
  });

  it('answer contradiction for opposites and entailment for more general words', async () => {
    const { splits } = await readItems(await load('substitution-inference'));
    const all = Object.values(splits).flat();
    const hot = all.find(({ texts }) => texts?.[0] === 'the hot soup burnt him');
    expect([hot?.texts?.[1], hot?.label]).toEqual(['the cold soup burnt him', 2]);
    // The general word of the animal in synset 0 is the first lemma of synset 2.
    const general = all.find(
      ({ texts, label }) => label === 0 && texts?.[0] === `the ${lemmas[0]} ran away from us`,
    );
    if (general) expect(general.texts?.[1]).toBe(`the ${lemmas[1]} ran away from us`);
    expect(new Set(all.map(({ label }) => label))).toEqual(new Set([0, 1, 2]));
  });

  it('are listed by name', () => {
    expect(understandingTaskNames()).toEqual([...names, 'verse-pairs', 'fortune-topic', 'spam']);
    expect(() => understandingTaskNamed('wic')).toThrow('unknown understanding task "wic"');
  });
});
