import { describe, expect, it } from 'vitest';
import { fingerprint } from './fingerprint.ts';
import { resolvePrepareRecipe } from './prepare.ts';

const hash = (...set: string[]): Promise<string> =>
  fingerprint(resolvePrepareRecipe({ recipe: 'mini', set }), { work: '.', output: 'data' });

describe('the fingerprint of a suite', () => {
  it('changes with the content of rows alone, so that suites that are there are used as they are', async () => {
    // Settings that came later count where they are set; only another content of rows, with its version, may change this.
    expect(await hash()).toBe('cf3230d793e8cc70a52bc6ae5868427f89876b4ebaf5a2e31a5c5a113e751238');
    expect(await hash('budgets.groupBytes=1000')).not.toBe(await hash());
    expect(await hash('budgets.groupBytes=1073741824')).toBe(await hash());
    expect(await hash('image.size=32')).not.toBe(await hash());
  });
});
