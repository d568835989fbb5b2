import { fortuneSide } from '../glue/fortune-topic.ts';
import { loadFortunes } from './fortune-files.ts';
import type { RunningText } from './running-text.ts';

/** File that is held out whole. */
const HELD_OUT = 'wisdom';

/** Those that the task of topics tests are held out, too. */
export const sayings: RunningText = Object.freeze({
  name: 'fortunes',
  summary: 'fortunes; the file "wisdom" and what the task of topics tests are held out',
  sources: ['fortunes', 'fortunes-min'],
  async load({ every, packages }) {
    const all = await loadFortunes(packages);
    const held = new Set(
      all
        .filter((fortune) => fortune.topic === HELD_OUT || fortuneSide(fortune) === 'test')
        .map(({ id }) => id),
    );
    return {
      reader: {
        name: 'fortunes',
        async *read() {
          for (const [index, { id, text }] of all.entries()) {
            if (index % every !== 0) continue;
            yield { kind: 'sample', id: `fortunes/${id}`, texts: [text], extra: { source: 'fortunes' } };
          }
        },
      },
      splitOf: ({ id }) => (held.has(id.replace(/^fortunes\//u, '')) ? 'validation' : 'train'),
    };
  },
} satisfies RunningText);
