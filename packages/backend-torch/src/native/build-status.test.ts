import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addonDamage, parseStatus } from './build-status.ts';

describe('addonDamage', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'polygate-addon-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('names what is not the addon that was built: loading it could end the process', () => {
    const addon = join(root, 'a.node');
    const sha256 = createHash('sha256').update('an addon').digest('hex');
    expect(addonDamage(addon, sha256)).toBe(`${addon} is missing`);
    writeFileSync(addon, 'an addon');
    expect(addonDamage(addon, sha256)).toBeUndefined();
    for (const text of ['an ad', 'an adDon', '']) {
      writeFileSync(addon, text);
      expect(addonDamage(addon, sha256)).toBe(
        `${addon} is damaged or of another build: expected SHA-256 ${sha256}, got ${text.length} bytes of ${createHash('sha256').update(text).digest('hex')}`,
      );
    }
    // Builds of before there were digests.
    expect(addonDamage(addon, undefined)).toBeUndefined();
  });
});

describe('parseStatus', () => {
  it.each(['', '[]', 'null', '{}', '{"state":"bui', '{"state":"lies"}', '5'])(
    'takes %j for a build that is to be made again',
    (text) => {
      const { state, why, remedy } = parseStatus(Buffer.from(text), 'build/status.json');
      expect(state).toBe('unavailable');
      expect(why).toMatch(/^build\/status\.json: expected (JSON|the status of a build), got/);
      expect(remedy).toMatch(/^run `/);
    },
  );
});
