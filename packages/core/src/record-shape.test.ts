import { describe, expect, it } from 'vitest';
import {
  call,
  eitherOf,
  listOf,
  oneOf,
  optional,
  recordOf,
  requireFit,
  rules,
  settingShape,
  shaped,
} from './record-shape.ts';

const schema = (takesNothing: boolean) => ({ safeParse: () => ({ success: takesNothing }) });

describe('a shape', () => {
  it('names the first field that is not as it should be', () => {
    const rule = shaped({
      kind: rules.text,
      parts: listOf(shaped({ name: rules.text, size: optional(rules.amount) }), 1),
      open: call(),
    });
    const good = { kind: 'a', parts: [{ name: 'b' }], open: () => 1, more: 'whatever' };
    expect(rule(good)).toBeUndefined();
    expect(rule(undefined)).toEqual({ path: '', expected: 'an object', got: undefined });
    expect(rule({ ...good, parts: [{ name: 'b', size: NaN }] })).toMatchObject({
      path: 'parts.0.size',
      got: NaN,
    });
    expect(() => requireFit(rule, { ...good, parts: [] }, 'register: thing "x"')).toThrow(
      'register: thing "x": expected a list of at least 1 as "parts", got []; correct the record',
    );
    expect(() => requireFit(rules.list, 7, 'it')).toThrow('it: expected a list, got 7; correct the record');
  });

  it('tells numbers, words and settings', () => {
    for (const [rule, good, bad] of [
      [rules.amount, 0.5, -1],
      [rules.count, 3, 3.5],
      [rules.number, -2, Infinity],
      [rules.text, 'a', ''],
      [rules.finiteValues, Float32Array.of(1, 2), Float32Array.of(1, NaN)],
      [oneOf('a', 'b'), 'b', 'c'],
      [recordOf(rules.flag), { x: true }, { x: 1 }],
      [eitherOf('a text or a list', rules.text, rules.list), [], 3],
      [settingShape(), { x: schema(false) }, { x: 'text' }],
      [settingShape({ defaults: true }), { x: schema(true) }, { x: schema(false) }],
    ] as const) {
      expect(rule(good)).toBeUndefined();
      expect(rule(bad)).toBeDefined();
    }
  });

  it('tells what comes back from JSON as it was', () => {
    expect(rules.json({ a: [1, null, 'x'], b: { c: true }, d: undefined })).toBeUndefined();
    for (const [value, path] of [
      [{ a: { b: 10n } }, 'a.b'],
      [{ a: [1, NaN] }, 'a.1'],
      [{ a: [undefined] }, 'a.0'],
      [{ a: new Date(0) }, 'a'],
      [{ a: () => 1 }, 'a'],
    ] as const) {
      expect(rules.json(value)).toMatchObject({ path });
    }
  });
});
