import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineReader } from './dataset-reader.ts';
import { allReaders, readerNamed, readerNames, registerReader } from './reader-registry.ts';

describe('readers', () => {
  it('are found by name, and say what they read', () => {
    expect(readerNames()).toContain('image-folder');
    for (const reader of allReaders()) {
      expect(readerNamed(reader.name)).toBe(reader);
      expect(reader.needs).not.toBe('');
      for (const setting of Object.keys(reader.paths))
        expect(Object.keys(reader.settings)).toContain(setting);
    }
    expect(() => readerNamed('image-foldr')).toThrow(
      'unknown reader "image-foldr": did you mean "image-folder"?',
    );
  });

  it('of other packages are registered beside them', async () => {
    const letters = defineReader({
      name: 'letters',
      summary: 'letters of a word',
      needs: 'a word',
      settings: { word: z.string() },
      kinds: ['text'],
      paths: {},
      open: async ({ word }) => ({
        kind: 'text',
        reader: {
          name: word,
          async *read() {
            for (const [at, letter] of [...word].entries())
              yield { kind: 'sample', id: String(at), texts: [letter] };
          },
        },
      }),
    });
    registerReader(letters);
    // What is found by the name stands for the record, and checks what it gives.
    const found = readerNamed('letters');
    expect(found).toMatchObject({ ...letters, open: expect.any(Function) as unknown });
    expect(await found.open({ word: 'ab' }, {} as never)).toMatchObject({
      kind: 'text',
      reader: { name: 'ab' },
    });
    await expect(found.open({ word: '' }, {} as never)).rejects.toThrow(
      'reader "letters": what open() gives: expected a text that is not empty as "reader.name", got ""',
    );
    expect(() => registerReader({ ...letters })).toThrow(
      'registerReader: expected a name that is free, got "letters"',
    );
  });
});
