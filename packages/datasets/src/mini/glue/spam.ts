/** Whether a mail is spam: easy, as a check of everything else. Mails of one subject are on one side. */
import { loadMails, type Mail } from '../texts/mail.ts';
import { sideOf } from './sides.ts';
import type { TaskSide, UnderstandingTask } from './understanding-task.ts';
import { drawSamples, taskSet } from './wordnet-tasks.ts';

const classes = ['ham', 'spam'];
const TEST_PERCENT = 20;
/** Characters of a mail that are read. */
const MAX_CHARACTERS = 600;

/** The side of a mail: by its subject's stem, of one without subject by its id. */
export const mailSide = ({ stem, id }: Pick<Mail, 'stem' | 'id'>): TaskSide =>
  sideOf(stem === '' ? id : stem, TEST_PERCENT);

export const spam: UnderstandingTask = Object.freeze({
  name: 'spam',
  summary: 'whether a mail is spam (a check, not a part of the average)',
  sources: ['spam-assassin'],
  classes,
  pairs: false,
  extra: ['thread'],
  async load({ every, packages }) {
    const samples = (await loadMails(packages)).map(({ id, isSpam, subject, stem, paragraphs }) => ({
      id,
      texts: [`${subject}. ${paragraphs.join(' ')}`.slice(0, MAX_CHARACTERS)],
      label: isSpam ? 1 : 0,
      key: stem === '' ? id : stem,
    }));
    const drawn = drawSamples(samples, { sideOfKey: (key) => sideOf(key, TEST_PERCENT) });
    return taskSet('spam', drawn, { column: 'thread', every, classes });
  },
} satisfies UnderstandingTask);
