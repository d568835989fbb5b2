import { mailSide } from '../glue/spam.ts';
import { loadMails } from './mail.ts';
import type { RunningText } from './running-text.ts';

/** What the task of spam tests is held out here, too. */
export const letters: RunningText = Object.freeze({
  name: 'mails',
  summary: 'mails that are no spam, without quotes; what the task of spam tests is held out',
  sources: ['spam-assassin'],
  async load({ every, packages }) {
    const mails = (await loadMails(packages)).filter(({ isSpam }) => !isSpam);
    const held = new Set(mails.filter((mail) => mailSide(mail) === 'test').map(({ id }) => id));
    return {
      reader: {
        name: 'mails',
        async *read() {
          for (const [index, { id, paragraphs }] of mails.entries()) {
            if (index % every !== 0) continue;
            yield { kind: 'sample', id, texts: paragraphs, extra: { source: 'mails' } };
          }
        },
      },
      splitOf: ({ id }) => (held.has(id) ? 'validation' : 'train'),
    };
  },
} satisfies RunningText);
