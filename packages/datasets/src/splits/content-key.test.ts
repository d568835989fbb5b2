import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contentKey } from './content-key.ts';
import type { Sample } from '../samples/sample.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-content-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const sample = (fields: Partial<Sample>): Sample => ({ kind: 'sample', id: 'x', ...fields });

describe('contentKey', () => {
  it('is the same for a file, a copy of it and its bytes, and for nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64 }), async (a, b) => {
        const [one, two] = [join(root, 'one'), join(root, 'two')];
        await Promise.all([writeFile(one, a), writeFile(two, a)]);
        const keys = await Promise.all([
          contentKey(sample({ image: { kind: 'path', path: one } })),
          contentKey(sample({ id: 'y', texts: ['words'], image: { kind: 'path', path: two } })),
          contentKey(sample({ image: { kind: 'bytes', bytes: a } })),
        ]);
        expect(new Set(keys).size).toBe(1);
        const other = await contentKey(sample({ image: { kind: 'bytes', bytes: b } }));
        expect(other === keys[0]).toBe(Buffer.compare(a, b) === 0);
      }),
      { numRuns: 50 },
    );
  });

  it('is the same for texts that read the same, in either order of a pair', async () => {
    const key = (...texts: string[]): Promise<string> => contentKey(sample({ texts }));
    expect(await key('A  Caf\u00e9.')).toBe(await key(' a cafe\u0301. '));
    expect(await key('a', 'b')).toBe(await key('B', 'A'));
    expect(await key('a', 'b')).not.toBe(await key('ab'));
  });

  it('falls back to the id where nothing is shown', async () => {
    expect(await contentKey(sample({ id: 'z' }))).toBe('id:z');
    expect(await contentKey(sample({ id: 'z', image: { kind: 'path', path: join(root, 'none') } }))).toBe(
      'id:z',
    );
  });
});
