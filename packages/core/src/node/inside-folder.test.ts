import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireInside } from './inside-folder.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inside-'));
  await mkdir(join(folder, 'suite', 'a'), { recursive: true });
  await mkdir(join(folder, 'other'));
  await writeFile(join(folder, 'other', 'x'), '');
  await symlink(join(folder, 'suite'), join(folder, 'alias'), 'dir');
  await symlink(join(folder, 'other'), join(folder, 'suite', 'out'), 'dir');
  await symlink(join(folder, 'suite', 'a'), join(folder, 'suite', 'in'), 'dir');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('requireInside', () => {
  it('lets pass what stays inside, also below a root that is a link, and what is not there', async () => {
    for (const root of ['suite', 'alias'])
      for (const name of ['a', 'in', 'missing'])
        await requireInside(join(folder, root), join(folder, root, name));
  });

  it('refuses a link that leaves, unless links are followed', async () => {
    const root = join(folder, 'suite');
    await expect(requireInside(root, join(root, 'out', 'x'))).rejects.toThrow('got a link to');
    await requireInside(root, join(root, 'out'), { links: 'follow' });
  });
});
