/** Fortunes: files of short texts that are parted by lines of `%`, each file on a topic. */
import type { PackageOptions } from '../fetch/package-files.ts';
import { openSource } from '../packages.ts';
import { fortunes } from '../sources/fortunes.ts';
import { fortunesMin } from '../sources/fortunes-min.ts';

/** Files with rude items, and without sentences. */
const leftOut: ReadonlySet<string> = new Set([
  'ascii-art',
  'drugs',
  'ethnic',
  'men-women',
  'pratchett',
  'translate-me',
  'zippy',
]);

/** One fortune. */
export interface Fortune {
  readonly id: string;
  /** Name of its file. */
  readonly topic: string;
  readonly text: string;
}

/** Letters and digits alone: near-copies differ in signs and spaces. */
export const lettersOf = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/** Characters by whose equality two fortunes are copies: many differ in the name behind the saying. */
const COPY_LETTERS = 48;

/** The items of a file: overstriking (a letter, a backspace) is undone, lines are joined. */
export const parseFortunes = (text: string): string[] =>
  text
    .split(/^%\r?$/mu)
    .map((item) =>
      item
        .replace(/.\u0008/gu, '')
        .replace(/\s+/gu, ' ')
        .trim(),
    )
    .filter((item) => item !== '');

/** All fortunes of the files that are used; of near-copies the first. */
export const loadFortunes = async (packages: PackageOptions = {}): Promise<readonly Fortune[]> => {
  const out: Fortune[] = [];
  const seen = new Set<string>();
  for (const source of [fortunes, fortunesMin]) {
    const files = await openSource(source, packages);
    for (const path of files.paths) {
      const topic = path.slice(path.lastIndexOf('/') + 1);
      if (leftOut.has(topic)) continue;
      const items = parseFortunes((await files.read(path)).toString('utf8'));
      for (const [index, text] of items.entries()) {
        const key = lettersOf(text).slice(0, COPY_LETTERS);
        if (key === '' || seen.has(key)) continue;
        seen.add(key);
        out.push({ id: `${topic}/${String(index).padStart(4, '0')}`, topic, text });
      }
    }
  }
  return out;
};
