/** Pairs, names and values in somebody's own files, prepared through the command line. */
import { link, mkdir, symlink } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { tarEnd, tarMember } from '../packages/datasets/test/support/tar-writer.ts';
import { ids, none, image, useOwnData } from './own-data.ts';

const { at, put, prepared, refused } = useOwnData();

describe('pairing', () => {
  it('takes the member that is exactly the image, others by a setting', async () => {
    const members = [0, 1, 2].flatMap((n) => [
      tarMember(`d/00${n}.depth.png`, Buffer.from('no image')),
      tarMember(`d/00${n}.SVG`, Buffer.from(image(n))),
      tarMember(`d/00${n}.TXT`, Buffer.from(`image ${n}`)),
      tarMember(`d/._00${n}.svg`, Buffer.from('Mac OS X')),
      tarMember(`__MACOSX/d/._00${n}.txt`, Buffer.from('Mac OS X')),
    ]);
    const files = [
      await put('a.tar', Buffer.concat([tarMember('d/.DS_Store', Buffer.from('x')), ...members, tarEnd])),
    ];
    const { splits, quarantine } = await prepared({ p: { source: 'webdataset', files, ...none } });
    expect(splits['train']?.map(({ texts }) => texts)).toEqual([['image 0'], ['image 1'], ['image 2']]);
    expect(quarantine).toEqual({});
    expect(await refused({ p: { source: 'webdataset', files, image: 'depth.png', ...none } })).toContain(
      'expected rows, got none (corrupt-image 3)',
    );
    expect(await refused({ p: { source: 'webdataset', files, image: 'left.png', ...none } })).toContain(
      '(no-image 3)',
    );
  });

  it('tells archives of one name apart, and keys that come back', async () => {
    const shard = (n: number) =>
      Buffer.concat([
        tarMember('0.svg', Buffer.from(image(n))),
        tarMember('0.txt', Buffer.from(`image ${n}`)),
        tarEnd,
      ]);
    const files = [await put('x/00000.tar', shard(1)), await put('y/00000.tar', shard(2))];
    const { splits } = await prepared({ p: { source: 'webdataset', files, ...none } });
    expect(ids(splits['train'])).toEqual(['x/00000.tar/0', 'y/00000.tar/0']);
    expect(await refused({ p: { source: 'webdataset', files: [files[0], files[0]], ...none } })).toContain(
      `expected each archive once, got ${files[0] ?? ''} twice`,
    );
    const parted = [0, 1].flatMap((n) => [tarMember(`${n}.svg`, Buffer.from(image(n)))]);
    const texts = [0, 1].map((n) => tarMember(`${n}.txt`, Buffer.from('text')));
    const apart = await put('apart.tar', Buffer.concat([...parted, ...texts, tarEnd]));
    expect(await refused({ p: { source: 'webdataset', files: [apart], ...none } })).toContain(
      'repeated-key 2',
    );
  });

  it('names the reader of texts beside images, which reads them', async () => {
    for (let n = 0; n < 12; n += 1) {
      await put(`00000/00000000${n}.svg`, image(n));
      await put(`00000/00000000${n}.json`, JSON.stringify({ caption: 'from json', url: 'x' }));
      if (n < 11) await put(`00000/00000000${n}.txt`, `caption ${n}\n`);
    }
    await put('00000_stats.json', '{"count": 12}');
    expect(await refused({ p: { source: 'image-folder', path: at('.') } })).toContain(
      'got a text beside 11 of 12 images; read them as captions with the source sidecar-captions',
    );
    const { splits, quarantine } = await prepared({
      p: { source: 'sidecar-captions', path: at('00000'), ...none },
    });
    const rows = splits['train'] ?? [];
    expect(rows.map(({ texts }) => texts?.[0])).toEqual(
      [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => (n === 11 ? 'from json' : `caption ${n}`)),
    );
    expect(quarantine).toEqual({});
  });
});

describe('names', () => {
  it('follows links to files, and lists those that lead nowhere', async () => {
    for (let n = 0; n < 3; n += 1) {
      await put(`store/${n}.svg`, image(n));
      await mkdir(at('photos/cat'), { recursive: true });
      await symlink(at(`store/${n}.svg`), at(`photos/cat/${n}.svg`));
    }
    await symlink(at('store/none.svg'), at('photos/cat/gone.svg'));
    await put('photos/cat/Thumbs.db', 'x');
    await put('photos/.DS_Store', 'x');
    await put('photos/__MACOSX/cat/._1.svg', 'x');
    const { splits, quarantine } = await prepared({
      p: { source: 'image-folder', path: at('photos'), ...none },
    });
    expect(ids(splits['train'])).toEqual(['cat/0.svg', 'cat/1.svg', 'cat/2.svg']);
    expect(quarantine).toEqual({ 'broken-link': 1 });
  });

  it('follows links to folders inside, refuses others until told', async () => {
    await put('photos/cat/1.svg', image(1));
    await symlink(at('photos/cat'), at('photos/kitten'));
    const source = { source: 'image-folder', path: at('photos'), ...none };
    expect((await prepared({ p: source })).classes).toEqual(['cat', 'kitten']);
    await put('elsewhere/1.svg', image(2));
    await symlink(at('elsewhere'), at('photos/dog'));
    expect(await refused({ p: source })).toContain('set links to "follow" if that is meant');
    expect((await prepared({ p: { ...source, links: 'follow' } })).classes).toEqual(['cat', 'dog', 'kitten']);
  });

  it('finds circles of links', async () => {
    await put('s/a/1.svg', image(1));
    await put('s/a/1.txt', 'one');
    await symlink(at('s'), at('s/a/again'));
    const { splits, quarantine } = await prepared({
      p: { source: 'sidecar-captions', path: at('s'), ...none },
    });
    expect([ids(splits['train']), quarantine]).toEqual([['a/1.svg'], { 'broken-link': 1 }]);
  });

  it('finds images by the names that other systems write', async () => {
    await put('i/caf\u00e9/One.SVG', image(1));
    await put('i/two.svg', image(2));
    await link(at('i/two.svg'), at('i/three.svg'));
    const names = [
      'cafe\u0301\\one.svg',
      './caf\u00e9/One.SVG',
      'TWO.svg',
      'two',
      'three.svg',
      'C:\\x.svg',
      'https://x.org/1.svg',
      '..\\out.svg',
    ];
    const file = await put(
      't.csv',
      ['image,caption', ...names.map((name, n) => `${name},caption ${n}`)].join('\n'),
    );
    const { splits, quarantine } = await prepared({
      p: { source: 'captions-csv', file, images: at('i'), ...none },
    });
    expect(splits['train']).toEqual([
      { id: 'caf\u00e9/One.SVG', texts: ['caption 0', 'caption 1'] },
      { id: 'two.svg', texts: ['caption 2', 'caption 3'] },
      { id: 'three.svg', texts: ['caption 4'] },
    ]);
    expect(quarantine).toEqual({ 'path-outside': 2, 'remote-image': 1 });
  });

  it('reads suffixes of the same format', async () => {
    const jpeg = Buffer.from(
      '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL/wAALCAABAAEBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APn+iiiv/9k=',
      'base64',
    );
    for (const suffix of ['jpe', 'JFIF', 'Jpg', 'JPEG']) await put(`f/cat/${suffix}.${suffix}`, jpeg);
    const { splits, quarantine } = await prepared({ p: { source: 'image-folder', path: at('f'), ...none } });
    expect([splits['train']?.length, quarantine]).toEqual([4, {}]);
  });
});

describe('values', () => {
  it('counts what can not be used, each with its reason', async () => {
    for (let n = 0; n < 12; n += 1) await put(`${n}.svg`, image(n));
    const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
    const rows = [
      '{"image": "0.svg", "text": "fine", "id": {"$oid": "1"}}',
      '{"image": "1.svg", "text": null}',
      '{"image": "2.svg", "text": 7}',
      '{"image": "3.svg", "text": NaN}',
      `{"image": "4.svg", "text": "deep", "id": ${deep}}`,
      '{"image": {"a": 1}, "text": "object"}',
      '{"image": "5.svg", "captions": ["a", ""]}',
      '{"image": "6.svg", "captions": []}',
      '{"image": null, "text": ["only text"]}',
      '{"image": "7.svg"}',
      '"text"',
      '{"image": "8.svg", "caption": {"raw": "from an object"}, "text": null}',
    ];
    const file = await put('rows.jsonl', rows.join('\n'));
    const { splits, quarantine } = await prepared({ p: { source: 'jsonl', file, ...none } });
    expect(splits['train']).toEqual([
      { id: '0.svg', texts: ['fine'] },
      { id: '5.svg', texts: ['a'] },
      { id: '8.svg', texts: ['from an object'] },
    ]);
    expect(quarantine).toEqual({
      'bad-json': 2,
      'bad-text': 1,
      'empty-caption': 2,
      'no-caption': 3,
      'no-image': 1,
      'no-image-name': 1,
    });
  });

  it('refuses one image with several labels, and tells of one in several splits', async () => {
    for (let n = 0; n < 3; n += 1) await put(`k/${n}.svg`, image(n));
    const rows = [
      '0.svg,a,train',
      '0.svg,a,train',
      '1.svg,a,train',
      '1.svg,b,train',
      '2.svg,b,train',
      '2.svg,b,test',
    ];
    const file = await put('t.csv', ['image,label,split', ...rows].join('\n'));
    const { splits, quarantine, overlaps } = await prepared({
      p: { source: 'labelled-table', file, images: at('k') },
    });
    expect(splits).toEqual({
      train: [
        { id: '0.svg', label: 'a' },
        { id: '2.svg', label: 'b' },
      ],
      test: [{ id: '2.svg~2', label: 'b' }],
    });
    expect(quarantine).toEqual({ 'several-labels': 1 });
    expect(overlaps).toEqual([{ splits: ['test', 'train'], rows: 1, example: ['2.svg', '2.svg~2'] }]);
  });
});
