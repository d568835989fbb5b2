import { describe, expect, it } from 'vitest';
import { ownValue } from './own-value.ts';

describe('ownValue', () => {
  it('finds own keys and no inherited ones', () => {
    const table: Record<string, number> = { a: 1 };
    expect(ownValue(table, 'a')).toBe(1);
    for (const key of ['b', 'constructor', 'toString', '__proto__', 'hasOwnProperty'])
      expect(ownValue(table, key)).toBeUndefined();
    const made = JSON.parse('{"__proto__": 2, "constructor": 3}') as Record<string, number>;
    expect([ownValue(made, '__proto__'), ownValue(made, 'constructor')]).toEqual([2, 3]);
  });
});
