/** State of the Union addresses, one a year; those from 2001 on are held out. */
import { FormatError, parseJson } from '@polygate/core';
import { openSource } from '../packages.ts';
import { stateOfTheUnion } from '../sources/state-of-the-union.ts';
import type { RunningText } from './running-text.ts';

const FIRST_HELD_OUT_YEAR = 2001;
/** The package has speeches as one line; so many sentences are a paragraph. */
const SENTENCES = 4;

/** A text in pieces of a few sentences. */
export const sentenceGroups = (text: string, sentences = SENTENCES): string[] => {
  const all = text.trim().split(/(?<=[.!?]["”’)]?)\s+(?=["“‘(]?\p{Lu})/u);
  const groups: string[] = [];
  for (let at = 0; at < all.length; at += sentences) groups.push(all.slice(at, at + sentences).join(' '));
  return groups.filter((group) => group !== '');
};

export const speeches: RunningText = Object.freeze({
  name: 'state-of-the-union',
  summary: 'State of the Union addresses since 1790; from 2001 on held out',
  sources: ['state-of-the-union'],
  async load({ every, packages }) {
    const files = await openSource(stateOfTheUnion, packages);
    const paths = files.paths.filter((path) => /^data\/\d{4}_.*\.json$/u.test(path));
    const yearOf = (id: string): number => Number(/(\d{4})_/u.exec(id)?.[1]);
    return {
      reader: {
        name: 'state-of-the-union',
        async *read() {
          for (const [index, path] of paths.entries()) {
            if (index % every !== 0) continue;
            const { text } = parseJson(await files.read(path), path) as { readonly text?: unknown };
            if (typeof text !== 'string')
              throw new FormatError(`${path}: expected a speech's text, got none`);
            yield {
              kind: 'sample',
              id: path.replace(/^data\/|\.json$/gu, ''),
              texts: sentenceGroups(text),
              extra: { source: 'state-of-the-union' },
            };
          }
        },
      },
      splitOf: ({ id }) => (yearOf(id) >= FIRST_HELD_OUT_YEAR ? 'validation' : 'train'),
    };
  },
} satisfies RunningText);
