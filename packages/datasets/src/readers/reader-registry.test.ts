import { originOf } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Reader } from '../samples/sample.ts';
import { defineReader, type OpenedReader } from './dataset-reader.ts';
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
    const registered = readerNamed('letters');
    expect(registered).toMatchObject({ ...letters, open: expect.any(Function) as unknown });
    expect(await registered.open({ word: 'ab' }, {} as never)).toMatchObject({
      kind: 'text',
      reader: { name: 'ab' },
    });
    await expect(registered.open({ word: '' }, {} as never)).rejects.toThrow(
      'reader "letters": what open() gives: expected a text that is not empty as "reader.name", got ""',
    );
    expect(() => registerReader({ ...letters })).toThrow(
      'registerReader: expected a name that is free, got "letters"',
    );
  });

  it('of other packages are held to what their items must be, one after another', async () => {
    const good = { kind: 'sample', id: 'a', texts: ['a', ''], label: 1 };
    let items: readonly unknown[] = [];
    registerReader(
      defineReader({
        name: 'items',
        summary: 'given items',
        needs: 'items',
        settings: {},
        kinds: ['text'],
        paths: {},
        open: () => {
          const reader = { name: 'items', classes: ['x', 'y'], read: () => items };
          return Promise.resolve({ kind: 'text', reader: reader as unknown as Reader });
        },
      }),
    );
    const read = async (...given: readonly unknown[]): Promise<readonly unknown[]> => {
      items = given;
      const opened = await readerNamed('items').open({}, { key: 'mine' } as never);
      const out: unknown[] = [];
      for await (const item of (opened as OpenedReader).reader.read()) out.push(item);
      return out;
    };
    const bytes = Uint8Array.of(1, 2, 3);
    const pixels = { kind: 'pixels', pixels: bytes, height: 1, width: 1, channels: 3 };
    const frame = () => pixels;
    const fine = [
      good,
      { kind: 'sample', id: 'b', image: { kind: 'path', path: 'a.png' }, split: 'train', group: '' },
      { kind: 'sample', id: 'c', image: pixels, extra: { vendor: '' } },
      {
        kind: 'sample',
        id: 'd',
        image: { kind: 'bytes', bytes },
        contents: {
          clip: { kind: 'frames', frames: 2, key: 'k', frame },
          folder: { kind: 'paths', paths: ['1.png'] },
          signal: { kind: 'values', values: new Float32Array(2), shape: [2] },
        },
      },
      { kind: 'fault', id: '', code: 'missing-file', reason: 'none', count: 2 },
    ];
    const got = await read(...fine);
    expect(got).toHaveLength(fine.length);
    got.forEach((item, i) => expect(item).toBe(fine[i]));

    const wrong: readonly (readonly [unknown, string])[] = [
      [undefined, 'expected an object, got nothing'],
      [{ ...good, kind: 'row' }, 'expected "fault" or "sample" as "kind", got "row"'],
      [{ ...good, id: 7 }, 'expected a text that is not empty as "id", got 7'],
      [{ ...good, label: 2 }, 'expected an index into 2 classes as "label", got 2'],
      [{ ...good, label: NaN }, 'expected an index into 2 classes as "label", got NaN'],
      [{ ...good, texts: 'a' }, 'expected a list as "texts", got "a"'],
      [{ ...good, texts: [7] }, 'expected a text as "texts.0", got 7'],
      [{ ...good, image: 'a.png' }, 'expected an object as "image", got "a.png"'],
      [{ ...good, image: { ...pixels, height: 2 } }, 'expected 2 x 1 x 3 bytes as "image.pixels", got 3'],
      [{ ...good, image: { ...pixels, channels: 2 } }, 'expected 1, 3 or 4 as "image.channels", got 2'],
      [
        { ...good, contents: { clip: { kind: 'paths', paths: [] } } },
        'expected a list of at least 1 as "contents.clip.paths", got []',
      ],
      [{ ...good, extra: { vendor: 3 } }, 'expected a text as "extra.vendor", got 3'],
      [{ kind: 'fault', id: 'a', reason: 'x' }, 'expected a text that is not empty as "code", got nothing'],
    ];
    for (const [item, text] of wrong) {
      const error: unknown = await read(good, item).catch((thrown: unknown) => thrown);
      expect(String(error)).toContain('reader "items": item 1');
      expect(String(error)).toContain(` of what open(sources.mine).reader.read() gives: ${text}; correct`);
      expect(originOf(error)).toEqual({ kind: 'reader', name: 'items' });
    }
  });
});
