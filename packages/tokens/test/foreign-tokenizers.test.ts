/** tokenizer.json in the forms that are met, against ids of the reference library (fixtures/make_tokenizer_cases.py). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../src/index.ts';

interface Fixture {
  readonly strings: readonly string[];
  readonly cases: readonly {
    readonly name: string;
    readonly file: unknown;
    readonly ids: readonly number[][];
  }[];
}

const path = join(import.meta.dirname, 'fixtures', 'tokenizer-cases.json');
const { strings, cases } = JSON.parse(readFileSync(path, 'utf8')) as Fixture;

describe('tokenizer.json of the reference library', () => {
  it.each(cases)('$name: the same ids', ({ file, ids }) => {
    const tokenizer = loadTokenizer(JSON.stringify(file));
    const again = loadTokenizer(JSON.stringify(tokenizer.toJSON()));
    for (const [index, text] of strings.entries()) {
      expect([text, ...tokenizer.encode(text)]).toEqual([text, ...(ids[index] ?? [])]);
      // What is written again encodes as what was read.
      expect([...again.encode(text)]).toEqual([...(ids[index] ?? [])]);
    }
  });
});
