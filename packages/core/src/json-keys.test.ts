import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { repeatedKey } from './json-keys.ts';

describe('repeatedKey', () => {
  it('finds a key that stands twice in one object, however it is spelt', () => {
    expect(repeatedKey('{"a":1,"b":{"a":2},"a":3}')).toBe('a');
    expect(repeatedKey('{"x":[{"k":1},{"k":2,"\\u006b":3}]}')).toBe('k');
    expect(repeatedKey('{"__proto__":1,"__proto__":2}')).toBe('__proto__');
    expect(repeatedKey('{"a\\"":"a\\\\","a":"{\\"b\\":1,\\"b\\":2}"}')).toBeUndefined();
    expect(repeatedKey('[["a","a"],{"a":"a","b":["a","a"]}]')).toBeUndefined();
  });

  it('finds none in what JSON.stringify writes', () => {
    fc.assert(fc.property(fc.json(), (text) => repeatedKey(text) === undefined));
  });
});
