import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError, StateError } from '@polygate/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenizerConfig } from './tokenizer-config.ts';
import { loadTokenizer, requireTokenizerHash, saveTokenizer } from './tokenizer-file.ts';
import { trainTokenizer } from './tokenizer-trainer.ts';

const texts = ['the whale, the whale', 'there she blows', '__proto__ 2021 12 __proto__ 2021'];
const tokenizer = trainTokenizer(texts, { vocabularySize: 282, minFrequency: 1 });
let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'polygate-tokens-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A parsed file with one place changed. */
const changed = (change: (file: Record<string, Record<string, unknown>>) => void): unknown => {
  const file = JSON.parse(JSON.stringify(tokenizer.toJSON())) as Record<string, Record<string, unknown>>;
  change(file);
  return file;
};

describe('tokenizer.json', () => {
  it('gives the same tokenizer back from path, bytes, text and content', async () => {
    const path = join(directory, 'tokenizer.json');
    await saveTokenizer(tokenizer, path);
    const text = readFileSync(path, 'utf8');
    expect(tokenizer.hash).toBe(createHash('sha256').update(text).digest('hex'));
    const marked = join(directory, 'marked.json');
    writeFileSync(marked, `\ufeff${text}`);
    const bytes = readFileSync(path);
    for (const source of [path, bytes, text, JSON.parse(text), marked, `\ufeff${text}`]) {
      const loaded = loadTokenizer(source, { expectedHash: tokenizer.hash });
      expect(loaded.toJSON()).toEqual(tokenizer.toJSON());
      expect([...loaded.encode('the whale blows 2021')]).toEqual([
        ...tokenizer.encode('the whale blows 2021'),
      ]);
    }
  });

  it('comes with a configuration that says what the special tokens are for', () => {
    expect(tokenizerConfig(tokenizer)).toMatchObject({
      tokenizer_class: 'PreTrainedTokenizerFast',
      pad_token: '<|endoftext|>',
      eos_token: '<|endoftext|>',
      mask_token: '<|spe|>',
    });
  });

  it('reads merges written as pairs, and token texts such as __proto__', () => {
    const pairs = changed((file) => {
      const model = file['model'] as { merges: unknown };
      model.merges = (model.merges as string[]).map((merge) => merge.split(' '));
    });
    expect(loadTokenizer(pairs).hash).toBe(tokenizer.hash);
    const proto = trainTokenizer(['__proto__ __proto__', '__proto__'], { vocabularySize: 300 });
    const again = loadTokenizer(JSON.stringify(proto.toJSON()));
    expect(again.toJSON()).toEqual(proto.toJSON());
    expect([...again.encode('__proto__')]).toEqual([...proto.encode('__proto__')]);
  });

  it('refuses what it would encode differently, naming the place', () => {
    const cases: [unknown, string][] = [
      [
        changed((file) => (file['model']!['type'] = 'WordPiece')),
        'expected model.type to be "BPE", got "WordPiece"',
      ],
      [
        changed((file) => (file['model']!['dropout'] = 0.1)),
        'expected model.dropout to be null or 0, got 0.1',
      ],
      [
        changed((file) => (file['pre_tokenizer']!['use_regex'] = false)),
        'pre_tokenizer.use_regex to be true, got false',
      ],
      [
        changed((file) => (file['truncation'] = { max_length: 8 })),
        'the file.truncation to be null, got {"max_length":8}',
      ],
      [
        changed((file) => {
          delete file['model']!['type'];
          delete file['model']!['merges'];
        }),
        'expected model.type to be "BPE", got nothing',
      ],
      [
        changed((file) => {
          const level = file['pre_tokenizer'];
          file['pre_tokenizer'] = { type: 'Sequence', pretokenizers: [{ type: 'Digits' }, level] };
        }),
        'pre_tokenizer.type to be "ByteLevel", got "Sequence"',
      ],
      [
        changed((file) => (file['pre_tokenizer']!['type'] = 'Metaspace')),
        'pre_tokenizer.type to be "ByteLevel"',
      ],
      [
        changed((file) => (file['normalizer'] = { type: 'NFC' })),
        'normalizer to be null or {"type":"Lowercase"}, got {"type":"NFC"}',
      ],
      [changed((file) => (file['post_processor'] = { type: 'BertProcessing' })), 'post_processor to be null'],
      [
        changed(
          (file) => ((file['added_tokens'] as unknown as Record<string, unknown>[])[0]!['lstrip'] = true),
        ),
        'added_tokens[0].lstrip to be false',
      ],
      [
        changed((file) => ((file['model']!['merges'] as string[])[0] = 'q zz')),
        'model.merges[0] to be two tokens of the vocabulary',
      ],
      [
        changed((file) => ((file['model']!['merges'] as string[])[1] = 'q')),
        'model.merges[1] to be two tokens, got "q"',
      ],
      [
        changed((file) => ((file['model']!['vocab'] as Record<string, unknown>)['the'] = -3)),
        'to be an integer id below 1048576, got -3',
      ],
      [
        changed((file) => ((file['model']!['vocab'] as Record<string, unknown>)['€'] = 900)),
        'spelt in the byte-level alphabet',
      ],
      [
        changed((file) => ((file['model']!['vocab'] as Record<string, unknown>)['qq'] = 900)),
        'without a gap',
      ],
      [
        changed((file) => ((file['model']!['vocab'] as Record<string, unknown>)['qq'] = 3)),
        'to be the only token with id 3 ("$" has it too), got "qq"',
      ],
      [[], 'expected the file to be an object, got []'],
      [null, 'expected the file to be an object, got null'],
    ];
    for (const [source, message] of cases) {
      expect(() => loadTokenizer(source)).toThrow(FormatError);
      expect(() => loadTokenizer(source)).toThrow(message);
    }
  });

  it('says which special token or byte a foreign vocabulary lacks', () => {
    const noSpe = changed((file) => (file['added_tokens'] = [] as never));
    expect(() => loadTokenizer(noSpe)).toThrow(
      'tokenizer: expected the special token <|spe|> among the added tokens, got none; append it to added_tokens with the next free id 280',
    );
    const swapped = changed((file) => {
      const vocab = file['model']!['vocab'] as Record<string, number>;
      delete vocab['!'];
      vocab['!!'] = 0;
    });
    expect(() => loadTokenizer(swapped)).toThrow(
      'expected a token for each of the 256 bytes, got none for byte 33 ("!")',
    );
  });

  it('tells truncated, missing and wrong files apart', async () => {
    const path = join(directory, 'cut.json');
    await saveTokenizer(tokenizer, path);
    truncateSync(path, 1000);
    expect(() => loadTokenizer(path)).toThrow(
      `tokenizer.json at ${path}: expected JSON, got the end of the text at `,
    );
    writeFileSync(path, 'hello');
    expect(() => loadTokenizer(path)).toThrow(
      'expected JSON, got "hello" at 1:1; the file may be truncated, write it again',
    );
    const missing = join(directory, 'none.json');
    expect(() => loadTokenizer(missing)).toThrow(StateError);
    expect(() => loadTokenizer(missing)).toThrow(`expected a readable file at ${missing}, got ENOENT`);
  });

  it('refuses another tokenizer than the data was made with', () => {
    const other = trainTokenizer(['other text, other text'], { vocabularySize: 270 });
    expect(() => requireTokenizerHash(other, tokenizer.hash, 'shards')).toThrow(StateError);
    expect(() => requireTokenizerHash(other, tokenizer.hash, 'shards')).toThrow(
      `expected the one that the shards was made with (sha256 ${tokenizer.hash}), got another (sha256 ${other.hash}, ${other.size} tokens)`,
    );
    expect(() => loadTokenizer(other.toJSON(), { expectedHash: tokenizer.hash })).toThrow(StateError);
  });
});
