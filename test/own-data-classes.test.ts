/** Classes of somebody's own files, prepared through the command line. */
import { readFile, rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { tarEnd, tarMember } from '../packages/datasets/test/support/tar-writer.ts';
import { labels, none, image, useOwnData } from './own-data.ts';

const { at, put, prepared, refused } = useOwnData();

describe('classes', () => {
  const manifest = async (name: string, rows: readonly (readonly [number, unknown])[]): Promise<string> => {
    for (const [n] of rows) await put(`${n}.svg`, image(n));
    return put(name, rows.map(([n, label]) => JSON.stringify({ file_name: `${n}.svg`, label })).join('\n'));
  };
  const source = (file: string, more: object = {}) => ({
    source: 'jsonl',
    kind: 'labelled-image',
    dataset: 'p',
    file,
    ...none,
    ...more,
  });
  const train = () =>
    manifest('train.jsonl', [
      [0, 0],
      [1, 1],
    ]);
  const test = () =>
    manifest('test.jsonl', [
      [2, 0],
      [3, 1],
    ]);

  it('refuses a second source whose numbers have no list', async () => {
    const a = source(await train(), { split: 'train', classes: ['positive', 'negative'] });
    const b = source(await test(), { split: 'test' });
    expect(await refused({ a, b })).toContain(
      'sources.b: expected labels among the classes ["positive","negative"] as in the rest of dataset "p", got the labels ["0","1"]; numbers mean nothing without a list: give both sources the same classes',
    );
    expect(await refused({ b: source(await train()), a: { ...a, split: 'test' } })).toContain(
      'sources.a: expected the labels ["0","1"] as in the rest of dataset "p", got the classes ["positive","negative"]',
    );
  });

  it('refuses another order, a part of the list, other names', async () => {
    const a = source(await train(), { split: 'train', classes: ['positive', 'negative'] });
    const file = await test();
    for (const classes of [
      ['negative', 'positive'],
      ['positive'],
      ['good', 'bad'],
      ['positive', 'negative', 'none'],
    ]) {
      expect(await refused({ a, b: source(file, { split: 'test', classes }) })).toContain(
        'give both sources one list in one order',
      );
    }
    const same = await prepared({ a, b: source(file, { split: 'test', classes: ['positive', 'negative'] }) });
    expect([same.classes, labels(same.splits['test'])]).toEqual([
      ['positive', 'negative'],
      ['positive', 'negative'],
    ]);
  });

  it('reads names by the list that the other source gives, and unites names that were found', async () => {
    const a = source(await train(), { split: 'train', classes: ['positive', 'negative'] });
    const named = await manifest('named.jsonl', [
      [2, 'negative'],
      [3, 'positive'],
    ]);
    const { classes, splits } = await prepared({ b: source(named, { split: 'val' }), a });
    expect(classes).toEqual(['positive', 'negative']);
    expect(labels(splits['validation'])).toEqual(['negative', 'positive']);
    expect(labels(splits['train'])).toEqual(['positive', 'negative']);
    const other = await manifest('other.jsonl', [
      [4, 'zebra'],
      [5, 'ant'],
    ]);
    const union = await prepared({
      b: source(named, { split: 'train' }),
      c: source(other, { split: 'train' }),
    });
    expect(union.classes).toEqual(['ant', 'negative', 'positive', 'zebra']);
    expect(labels(union.splits['train'])).toEqual(['negative', 'positive', 'zebra', 'ant']);
    expect(await refused({ b: source(named), c: source(await test()) })).toContain(
      'numbers mean nothing beside names',
    );
  });

  it('finds classes where none are listed: numbers by value, names in order', async () => {
    const numbers = await prepared({
      p: source(
        await manifest('n.jsonl', [
          [0, 10],
          [1, 2],
          [2, 0],
        ]),
      ),
    });
    expect([numbers.classes, labels(numbers.splits['train'])]).toEqual([
      ['0', '2', '10'],
      ['10', '2', '0'],
    ]);
    const names = await prepared({
      p: source(
        await manifest('s.jsonl', [
          [0, 'emu'],
          [1, '__proto__'],
          [2, 'constructor'],
        ]),
      ),
    });
    expect(names.classes).toEqual(['__proto__', 'constructor', 'emu']);
    expect(labels(names.splits['train'])).toEqual(['emu', '__proto__', 'constructor']);
  });

  it('finds them in archives, too', async () => {
    const members = ['b', 'a', 'b'].flatMap((name, n) => [
      tarMember(`${n}.svg`, Buffer.from(image(n))),
      tarMember(`${n}.cls`, Buffer.from(name)),
    ]);
    const file = await put('s.tar', Buffer.concat([...members, tarEnd]));
    const { classes, splits } = await prepared({
      p: { source: 'webdataset', files: [file], kind: 'labelled-image', ...none },
    });
    expect([classes, labels(splits['train'])]).toEqual([
      ['a', 'b'],
      ['b', 'a', 'b'],
    ]);
  });

  it('refuses a dataset of labels without any', async () => {
    await put('0.svg', image(0));
    const file = await put(
      'rows.jsonl',
      '{"image": "0.svg", "text": "no label"}\n{"image": 3}\n{"image":"0.svg"}\n',
    );
    expect(await refused({ p: source(file) })).toContain(
      `prepare p: expected rows, got none (no-image-name 1, no-label 1); they are listed in ${at('data/own.quarantine.jsonl')}`,
    );
    expect(await readFile(at('data/own.quarantine.jsonl'), 'utf8')).toContain('"no-label"');
  });

  it('refuses names that read the same', async () => {
    for (const [a, b] of [
      ['ice_cream', 'ice-cream'],
      ['cat', 'cat!'],
      ['Cat', 'cat'],
    ] as const) {
      await rm(at('f'), { recursive: true, force: true });
      await put(`f/${a}/1.svg`, image(1));
      await put(`f/${b}/2.svg`, image(2));
      expect(await refused({ p: { source: 'image-folder', path: at('f') } })).toMatch(
        /prepare p: expected class names that differ in letters or digits, got ".*" and ".*", which read the same; give other names/u,
      );
    }
  });

  it('takes folders named after the built-ins of the language for classes', async () => {
    for (const [n, name] of ['constructor', '__proto__', 'toString'].entries())
      await put(`f/${name}/1.svg`, image(n));
    const { classes } = await prepared({ p: { source: 'image-folder', path: at('f'), ...none } });
    expect(classes).toEqual(['proto', 'constructor', 'toString']);
  });
});
