/**
 * Whether a sentence follows from another one that differs in a word: a more general word (entailment), a more special one
 * (neutral) or an opposite (contradiction). Weak labels: what a word means in its sentence is not looked at.
 */
import { loadRelatedSynsets, type RelatedSynset } from '../wordnet-data.ts';
import type { UnderstandingTask } from './understanding-task.ts';
import { drawSamples, lemmaSide, taskSet, type TaskSample } from './wordnet-tasks.ts';

const classes = ['entailment', 'neutral', 'contradiction'];
/** Words of a sentence. */
const LEAST_WORDS = 4;
const TRAIN_PER_CLASS = 3000;
const TEST_PER_CLASS = 300;

const plain = (lemma: string): string => lemma.replaceAll('_', ' ');

/** The sentence with the whole word in place of `lemma`, or undefined where the lemma is not in it. */
export const substituteWord = (sentence: string, lemma: string, word: string): string | undefined => {
  const pattern = new RegExp(
    `(?<![\\p{L}\\p{N}])${lemma.replace(/[^\p{L}\p{N}]/gu, '.')}(?![\\p{L}\\p{N}])`,
    'iu',
  );
  return pattern.test(sentence) ? sentence.replace(pattern, () => word) : undefined;
};

/** Sentences with their substitutes. */
const substitutionSamples = (synsets: readonly RelatedSynset[]): readonly TaskSample[] => {
  const byId = new Map(synsets.map((synset) => [synset.id, synset]));
  const special = new Map<string, RelatedSynset>();
  for (const synset of synsets) {
    for (const { kind, to } of synset.relations)
      if (kind === 'hypernym' && !special.has(to)) special.set(to, synset);
  }
  const samples: TaskSample[] = [];
  for (const synset of synsets) {
    const general = byId.get(synset.relations.find(({ kind }) => kind === 'hypernym')?.to ?? '');
    const others: readonly (readonly [number, string | undefined])[] =
      synset.part === 'noun'
        ? [
            [0, general?.lemmas[0]],
            [1, special.get(synset.id)?.lemmas[0]],
          ]
        : [];
    for (const [n, sentence] of synset.examples.entries()) {
      if (sentence.split(' ').length < LEAST_WORDS) continue;
      for (const [at, lemma] of synset.lemmas.entries()) {
        if (lemma.includes('_')) continue;
        const opposite = synset.relations.find(
          ({ kind, fromLemma }) => kind === 'antonym' && fromLemma === at,
        );
        const all = [
          ...others,
          [2, opposite ? byId.get(opposite.to)?.lemmas[opposite.toLemma] : undefined] as const,
        ];
        for (const [label, other] of all) {
          if (other === undefined || other.toLowerCase() === lemma.toLowerCase()) continue;
          const changed = substituteWord(sentence, lemma, plain(other));
          if (changed === undefined) continue;
          samples.push({
            id: `${synset.id}/${n}-${at}-${classes[label]}`,
            texts: [sentence, changed],
            label,
            key: lemma.toLowerCase(),
          });
        }
      }
    }
  }
  return samples;
};

export const substitutionInference: UnderstandingTask = Object.freeze({
  name: 'substitution-inference',
  summary: 'whether a sentence follows from one that differs in a word (as NLI)',
  sources: ['wordnet-30'],
  classes,
  pairs: true,
  extra: ['lemma'],
  async load({ every, packages }) {
    const samples = substitutionSamples(await loadRelatedSynsets(packages));
    // A sentence that two synsets share is held out where either is.
    const held = new Set(
      samples.filter(({ key }) => lemmaSide(key) === 'test').map(({ texts: [text = ''] }) => text),
    );
    const kept = samples.filter(
      ({ key, texts: [text = ''] }) => lemmaSide(key) === 'test' || !held.has(text),
    );
    const drawn = drawSamples(kept, {
      perClass: TRAIN_PER_CLASS,
      testPerClass: TEST_PER_CLASS,
      sideOfKey: lemmaSide,
    });
    return taskSet('substitution-inference', drawn, { column: 'lemma', every, classes });
  },
} satisfies UnderstandingTask);
