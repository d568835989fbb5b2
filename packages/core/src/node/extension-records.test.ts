import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRegistry } from '../registry.ts';
import {
  changedExtensions,
  loadStoredExtensions,
  recordExtensions,
  storedExtensions,
} from './extension-records.ts';
import { loadExtensions } from './extensions.ts';

const registry = createRegistry('toy');
let root = '';
const at = (...path: string[]): string => join(root, ...path);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-extension-'));
  // Modules outside of the workspace reach no package of it.
  Object.assign(globalThis, { toyRegistry: registry });
});
afterAll(async () => {
  Reflect.deleteProperty(globalThis, 'toyRegistry');
  await rm(root, { recursive: true, force: true });
});

/** Writes a module that registers a name. @returns its path */
const moduleOf = async (path: string, name: string, more = ''): Promise<string> => {
  await mkdir(join(at(path), '..'), { recursive: true });
  await writeFile(at(path), `globalThis.toyRegistry.register({ name: '${name}', summary: 'one' });${more}\n`);
  return at(path);
};

const hash = /^[0-9a-f]{64}$/u;
const stored = (path: string, name: string, sha256 = '0'.repeat(64)) => ({
  extensions: [{ module: './ext.mjs', path, sha256, records: [{ kind: 'toy', name }] }],
});
const open = (content: unknown, folder = at('run')) =>
  loadStoredExtensions(storedExtensions(content), { askedBy: 'run r', folder });
const refusal = async (content: unknown): Promise<string> => {
  try {
    await open(content);
  } catch (error) {
    return (error as Error).message.replaceAll(root, 'ROOT').replaceAll(/[0-9a-f]{12}\.\.\./gu, 'HASH');
  }
  return 'no error';
};
/** The digest that a record of a module has, without loading it here. */
const digestOf = (file: string): string => recordExtensions([file], root)[0]?.sha256 ?? '';

describe('what a run says of an extension', () => {
  it('is a path from its folder, a digest and the names, which open it there', async () => {
    const file = await moduleOf('ext/a.mjs', 'one-a');
    await loadExtensions([file], { askedBy: '--extension' });
    const [record] = recordExtensions([relative(process.cwd(), file)], at('run'));
    expect(record).toEqual({
      module: relative(process.cwd(), file),
      path: '../ext/a.mjs',
      sha256: expect.stringMatching(hash) as string,
      records: [{ kind: 'toy', name: 'one-a' }],
    });
    expect(await open({ extensions: [record] })).toHaveLength(1);
  });

  it('opens a module that was moved with the run, and none twice', async () => {
    const file = await moduleOf('both/ext.mjs', 'moved-b');
    const sha256 = digestOf(file);
    await rename(at('both'), at('elsewhere'));
    const content = stored('../ext.mjs', 'moved-b', sha256);
    expect(registry.has('moved-b')).toBe(false);
    await open(content, at('elsewhere', 'run'));
    expect(registry.has('moved-b')).toBe(true);
    await open(content, at('elsewhere', 'run'));
  });

  it('names each place that was tried once, what is missing, and the remedy', async () => {
    expect(await refusal(stored('../gone.mjs', 'gone-c'))).toBe(
      `extension "./ext.mjs" of run r: expected its module (which registers toy gone-c), got none at ROOT/gone.mjs or ${join(process.cwd(), 'ext.mjs')}; put it back, or say where it is now: --extension FILE`,
    );
    expect(await refusal({ extensions: [at('gone.mjs')] })).toBe(
      'extension "ROOT/gone.mjs" of run r: expected its module, got none at ROOT/gone.mjs; put it back, or say where it is now: --extension FILE',
    );
  });

  it('is served by another module of these names that somebody asks for, whether it is there or not', async () => {
    const file = await moduleOf('new/d.mjs', 'asked-d', '// moved');
    await loadExtensions([file], { askedBy: '--extension' });
    await open(stored('../old/d.mjs', 'asked-d'));
    await moduleOf('old/d.mjs', 'asked-d');
    await open(stored('../old/d.mjs', 'asked-d'));
    await rm(at('old'), { recursive: true });
    // A record of an older version has no names.
    expect(await open({ extensions: [at('old', 'd.mjs')] })).toHaveLength(1);
    expect((await loadExtensions(['./old/d.mjs'], { askedBy: 'recipe', folders: [root] })).length).toBe(1);
  });

  it('is not served by a module that was changed, nor by another run’s', async () => {
    const file = await moduleOf('ext/e.mjs', 'changed-e');
    const text = await readFile(file, 'utf8');
    const content = stored('../ext/e.mjs', 'changed-e', digestOf(file));
    await writeFile(file, `${text}// changed\n`);
    expect(await refusal(content)).toBe(
      'extension "./ext.mjs" of run r: expected the module that it was made with (SHA-256 HASH), got another (HASH) at ROOT/ext/e.mjs, which may compute something else; restore the file, or ask for the one that is there: --extension ROOT/ext/e.mjs',
    );
    expect(registry.has('changed-e')).toBe(false);
    await writeFile(file, text);
    await open(content);
    // Another run was made with another module of that name.
    expect(await refusal(stored('./e.mjs', 'changed-e'))).toContain('got another (HASH) at ROOT/ext/e.mjs');
    await loadExtensions([file], { askedBy: '--extension' });
    await open(stored('./e.mjs', 'changed-e'));
    expect(changedExtensions(storedExtensions(stored('./e.mjs', 'changed-e')))).toEqual([
      { module: './ext.mjs', expected: '0'.repeat(64), got: digestOf(file), file },
    ]);
    expect(changedExtensions(storedExtensions(content))).toEqual([]);
  });

  it('leaves out what is no record', () => {
    expect(storedExtensions({ extensions: ['', 3, null, {}, { module: 4 }, 'a'] })).toEqual(['a']);
    expect(storedExtensions({ extensions: { a: 1 } })).toEqual([]);
    expect(storedExtensions(undefined)).toEqual([]);
  });
});

describe('an import that fails', () => {
  it('names the package and where it is looked for', async () => {
    for (const [name, remedy] of [
      ['@polygate/nowhere', 'keep the module in the project that Polygate is installed in, or link that'],
      ['left-out', 'install it there: npm install left-out'],
    ]) {
      const file = at(`${String(name).replace(/\W/gu, '')}.mjs`);
      await writeFile(file, `import '${name}';\n`);
      await expect(loadExtensions([file], { askedBy: '--extension' })).rejects.toThrow(
        `expected a module whose imports are installed, got no package ${name} from ${root} upwards; ${remedy}`,
      );
    }
  });

  it('of a copy is none: it is the module that is loaded', async () => {
    const [one, two] = [await moduleOf('one/f.mjs', 'copy-f'), await moduleOf('two/f.mjs', 'copy-f')];
    await loadExtensions([one, two], { askedBy: '--extension' });
    const other = await moduleOf('three/f.mjs', 'copy-f', '//');
    await expect(loadExtensions([other], { askedBy: '--extension' })).rejects.toThrow(
      'expected a name that is free',
    );
  });
});
