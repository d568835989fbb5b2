import { describe, expect, it } from 'vitest';
import { isPlainName } from './plain-name.ts';

describe('isPlainName', () => {
  it('refuses paths and what is no name', () => {
    for (const name of ['a', 'a.b', '..a', 'constructor', '日本', ' ']) expect(isPlainName(name)).toBe(true);
    for (const name of ['', '.', '..', '../../etc', 'a/b', 'a\\b', '/a', 'a\0', 'x'.repeat(256), 3, null])
      expect(isPlainName(name)).toBe(false);
  });
});
