/** Two translations of the Bible; the same books are held out of both. */
import type { PackageOptions } from '../fetch/package-files.ts';
import type { MiniSet } from '../mini-set.ts';
import { openSource } from '../packages.ts';
import { bibleKjv } from '../sources/bible-kjv.ts';
import { bibleWeb } from '../sources/bible-web.ts';
import type { DataSource } from '../sources/data-source.ts';
import type { RunningText, TextSide } from './running-text.ts';
import { swordSlots, swordVerses, type Verse } from './sword-text.ts';

/** Books that are held out, as OSIS calls them. */
export const heldOutBooks: ReadonlySet<string> = new Set(['Luke', 'Ruth', 'Jonah', 'Jas']);

/** Books that the King James Version has in its Old and New Testament: 66, without the Apocrypha of the other one. */
const testaments = ['ot', 'nt'] as const;

/** A translation, verse by verse. @throws FormatError for other package content */
export const loadVerses = async (
  source: DataSource,
  packages: PackageOptions = {},
): Promise<readonly Verse[]> => {
  const files = await openSource(source, packages);
  const verses: Verse[] = [];
  for (const testament of testaments) {
    const path = (ending: string): string =>
      files.paths.find((each) => each.endsWith(`/${testament}.${ending}`)) ?? `${testament}.${ending}`;
    const slots = swordSlots(
      {
        blockIndex: await files.read(path('bzs')),
        verseIndex: await files.read(path('bzv')),
        blocks: await files.read(path('bzz')),
      },
      source.name,
    );
    verses.push(...swordVerses(slots));
  }
  return verses;
};

const translation = (name: string, summary: string, source: DataSource): RunningText =>
  Object.freeze({
    name,
    summary,
    sources: [source.name],
    async load({ every, packages }): Promise<MiniSet<TextSide>> {
      const books = new Map<string, string[]>();
      for (const { book, text } of await loadVerses(source, packages)) {
        const list = books.get(book);
        if (list) list.push(text);
        else books.set(book, [text]);
      }
      return {
        reader: {
          name,
          async *read() {
            for (const [index, [book, texts]] of [...books].entries()) {
              if (index % every !== 0 && !heldOutBooks.has(book)) continue;
              yield { kind: 'sample', id: `${name}/${book}`, texts, extra: { source: name } };
            }
          },
        },
        splitOf: ({ id }) => (heldOutBooks.has(id.split('/')[1] ?? '') ? 'validation' : 'train'),
      };
    },
  } satisfies RunningText);

export const kingJames = translation('bible-kjv', 'the Bible, King James Version, by books', bibleKjv);
export const worldEnglish = translation('bible-web', 'the World English Bible, by books', bibleWeb);
