/** Whether a definition is one of a word; a wrong one is of the same topic. */
import { createRandom } from '@polygate/core';
import { decidingLemma, loadRelatedSynsets, nounTopics, type RelatedSynset } from '../wordnet-data.ts';
import type { UnderstandingTask } from './understanding-task.ts';
import { drawSamples, lemmaSide, taskSet, type TaskSample } from './wordnet-tasks.ts';

const classes = ['no', 'yes'];
/** Words of a definition. */
const LEAST_WORDS = 5;
const TRAIN_PER_CLASS = 10_000;
const TEST_PER_CLASS = 1000;

const wordOf = (synset: RelatedSynset): string | undefined => {
  const lemma = decidingLemma(synset);
  const word = synset.lemmas.find((each) => each.toLowerCase() === lemma);
  return word !== undefined && /^[a-z]+$/u.test(word) ? word : undefined;
};

/** A right and a wrong definition of each word, the wrong one of the same side and topic. */
const definitionSamples = (synsets: readonly RelatedSynset[]): readonly TaskSample[] => {
  const topics: readonly string[] = nounTopics;
  const usable = synsets.flatMap((synset) => {
    const word = wordOf(synset);
    return word !== undefined &&
      synset.part === 'noun' &&
      topics.includes(synset.topic) &&
      synset.definition.split(' ').length >= LEAST_WORDS
      ? [{ word, synset, test: lemmaSide(word) === 'test' }]
      : [];
  });
  // What training has a definition of must not be a held-out one's, of whichever word.
  const held = new Set(usable.filter(({ test }) => test).map(({ synset }) => synset.definition));
  const kept = usable.filter(({ test, synset }) => test || !held.has(synset.definition));
  const pools = new Map<string, (typeof kept)[number][]>();
  for (const entry of kept) {
    const pool = `${entry.synset.topic}/${entry.test}`;
    const list = pools.get(pool);
    if (list) list.push(entry);
    else pools.set(pool, [entry]);
  }
  const random = createRandom(1).fork('definition-match');
  return kept.flatMap(({ word, synset, test }): TaskSample[] => {
    const pool = pools.get(`${synset.topic}/${test}`) ?? [];
    const draw = random.fork(synset.id);
    const right: TaskSample = {
      id: `${synset.id}/yes`,
      texts: [word, synset.definition],
      label: 1,
      key: word,
    };
    for (let tries = 0; tries < 8 && pool.length > 1; tries += 1) {
      const other = pool[draw.integer(pool.length)]?.synset;
      if (!other || other.lemmas.includes(word) || other.definition === synset.definition) continue;
      // Either the right or the wrong definition of a synset, so that half of the answers is no giveaway of the other.
      return draw.integer(2) === 0
        ? [right]
        : [{ id: `${synset.id}/no`, texts: [word, other.definition], label: 0, key: word }];
    }
    return [right];
  });
};

export const definitionMatch: UnderstandingTask = Object.freeze({
  name: 'definition-match',
  summary: 'whether a definition is one of a noun (as QNLI asks of answers)',
  sources: ['wordnet-30'],
  classes,
  pairs: true,
  extra: ['lemma'],
  async load({ every, packages }) {
    const drawn = drawSamples(definitionSamples(await loadRelatedSynsets(packages)), {
      perClass: TRAIN_PER_CLASS,
      testPerClass: TEST_PER_CLASS,
      sideOfKey: lemmaSide,
    });
    return taskSet('definition-match', drawn, { column: 'lemma', every, classes });
  },
} satisfies UnderstandingTask);
