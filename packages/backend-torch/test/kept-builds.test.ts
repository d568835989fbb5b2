import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const module = new URL('../native/kept-builds.mjs', import.meta.url).href;

describe('kept builds', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'polygate-kept-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  /** What an expression over the module gives, in a process whose cache folder is `cache`. */
  const evaluate = (expression: string, cache = join(root, 'cache')): string =>
    execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { keep, takeKept } from ${JSON.stringify(module)}; process.stdout.write(String(${expression}));`,
      ],
      { encoding: 'utf8', env: { ...process.env, XDG_CACHE_HOME: cache } },
    );
  const path = (name: string): string => JSON.stringify(join(root, name));

  it('come back under their key alone, whole', () => {
    writeFileSync(join(root, 'a.node'), 'an addon');
    expect(evaluate(`keep('key', ${path('a.node')}) ?? takeKept('other', ${path('b.node')})`)).toBe('false');
    expect(existsSync(join(root, 'b.node'))).toBe(false);
    expect(evaluate(`takeKept('key', ${path('build/b.node')})`)).toBe('true');
    expect(readFileSync(join(root, 'build/b.node'), 'utf8')).toBe('an addon');
    expect(readdirSync(join(root, 'build'))).toEqual(['b.node']);
  });

  it('are eight at most: the one that was used longest ago goes', () => {
    writeFileSync(join(root, 'a.node'), 'an addon');
    const folder = join(root, 'cache/polygate/addons');
    for (let i = 0; i < 8; i += 1) {
      evaluate(`keep('key${i}', ${path('a.node')})`);
      utimesSync(join(folder, `key${i}.node`), 1000 + i, 1000 + i);
    }
    // The oldest is used again, so the second oldest is the one to go.
    expect(evaluate(`takeKept('key0', ${path('b.node')})`)).toBe('true');
    evaluate(`keep('key8', ${path('a.node')})`);
    expect(readdirSync(folder).sort()).toEqual(
      [0, 2, 3, 4, 5, 6, 7, 8].flatMap((i) => [`key${i}.node`, `key${i}.node.sha256`]),
    );
  });

  it('are removed, not taken, where they are no longer what was kept', () => {
    writeFileSync(join(root, 'a.node'), 'an addon');
    const folder = join(root, 'cache/polygate/addons');
    // Cut off, of the same length, and without its digest.
    for (const damage of [
      () => writeFileSync(join(folder, 'key.node'), 'an ad'),
      () => writeFileSync(join(folder, 'key.node'), 'an adDon'),
      () => rmSync(join(folder, 'key.node.sha256')),
    ]) {
      evaluate(`keep('key', ${path('a.node')})`);
      damage();
      expect(evaluate(`takeKept('key', ${path('b.node')})`)).toBe('false');
      expect(existsSync(join(root, 'b.node'))).toBe(false);
    }
    evaluate(`keep('key', ${path('a.node')})`);
    expect(evaluate(`takeKept('key', ${path('b.node')})`)).toBe('true');
  });

  it('are none where the cache folder is no folder', () => {
    writeFileSync(join(root, 'a.node'), 'an addon');
    const cache = join(root, 'a.node');
    expect(evaluate(`keep('key', ${path('a.node')}) ?? takeKept('key', ${path('b.node')})`, cache)).toBe(
      'false',
    );
  });
});
