/** The topic of a definition: the lexicographer file of WordNet that its synset is in. */
import {
  decidingLemma,
  loadRelatedSynsets,
  nounTopics,
  verbTopics,
  type RelatedSynset,
} from '../wordnet-data.ts';
import type { UnderstandingTask } from './understanding-task.ts';
import { drawSamples, lemmaSide, taskSet, type TaskSample } from './wordnet-tasks.ts';

/** Definitions with their topics. */
const topicSamples = (
  synsets: readonly RelatedSynset[],
  part: RelatedSynset['part'],
  topics: readonly string[],
): readonly TaskSample[] =>
  synsets
    .filter((synset) => synset.part === part && topics.includes(synset.topic) && synset.definition !== '')
    .map((synset) => ({
      id: synset.id,
      texts: [synset.definition],
      label: topics.indexOf(synset.topic),
      key: decidingLemma(synset),
    }));

/** @param thin every how many training definitions one is kept */
const supersense = (part: 'noun' | 'verb', topics: readonly string[], thin: number): UnderstandingTask =>
  Object.freeze({
    name: `supersense-${part}`,
    summary: `the topic of a definition of a ${part}, of ${topics.length}`,
    sources: ['wordnet-30'],
    classes: topics,
    pairs: false,
    extra: ['lemma'],
    async load({ every, packages }) {
      const samples = topicSamples(await loadRelatedSynsets(packages), part, topics);
      const held = new Set(
        samples.filter(({ key }) => lemmaSide(key) === 'test').map(({ texts: [text = ''] }) => text),
      );
      // Some definitions belong to several synsets.
      const withheld = samples.filter(
        ({ key, texts: [text = ''] }) => lemmaSide(key) === 'test' || !held.has(text),
      );
      const drawn = drawSamples(withheld, { sideOfKey: lemmaSide });
      let seen = 0;
      const kept = drawn.filter(({ side }) => {
        if (side === 'test') return true;
        seen += 1;
        return seen % thin === 0;
      });
      return taskSet(`supersense-${part}`, kept, { column: 'lemma', every, classes: topics });
    },
  } satisfies UnderstandingTask);

export const supersenseNoun = supersense('noun', nounTopics, 3);
export const supersenseVerb = supersense('verb', verbTopics, 1);
