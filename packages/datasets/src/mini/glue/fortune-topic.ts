/** The topic of a fortune, which is the file that it is in. */
import { sideOf } from './sides.ts';
import { lettersOf, loadFortunes, type Fortune } from '../texts/fortune-files.ts';
import type { TaskSide, UnderstandingTask } from './understanding-task.ts';
import { drawSamples, taskSet } from './wordnet-tasks.ts';

const TEST_PERCENT = 20;

/** Class names by file. */
const topics: Readonly<Record<string, string>> = {
  computers: 'computers',
  definitions: 'definitions',
  education: 'education',
  food: 'food',
  humorists: 'humour',
  knghtbrd: 'chat',
  law: 'law',
  linux: 'linux',
  literature: 'literature',
  people: 'people',
  perl: 'perl',
  politics: 'politics',
  science: 'science',
  'songs-poems': 'songs',
  startrek: 'star trek',
  work: 'work',
};
const classes = Object.values(topics);

/** The side of a fortune, by its letters. */
export const fortuneSide = ({ text, topic }: Fortune): TaskSide =>
  topics[topic] === undefined ? 'train' : sideOf(lettersOf(text), TEST_PERCENT);

export const fortuneTopic: UnderstandingTask = Object.freeze({
  name: 'fortune-topic',
  summary: `the topic of a fortune, of ${classes.length}`,
  sources: ['fortunes', 'fortunes-min'],
  classes,
  pairs: false,
  extra: [],
  async load({ every, packages }) {
    const samples = (await loadFortunes(packages)).flatMap(({ id, topic, text }) => {
      const name = topics[topic];
      return name === undefined
        ? []
        : [{ id, texts: [text], label: classes.indexOf(name), key: lettersOf(text) }];
    });
    const drawn = drawSamples(samples, { sideOfKey: (key) => sideOf(key, TEST_PERCENT) });
    return taskSet('fortune-topic', drawn, { column: 'letters', every, classes });
  },
} satisfies UnderstandingTask);
