import { describe, expect, it } from 'vitest';
import { ConfigError } from './errors.ts';
import { call, optional, rules } from './record-shape.ts';
import { createRegistry, madeOfRecords, type NamedRecord } from './registry.ts';

interface Shape extends NamedRecord {
  readonly corners: number;
}

const triangle = { name: 'triangle', summary: 'three corners', corners: 3 } as const;
const shapes = () => createRegistry<Shape>('flat shape', [triangle]);

describe('createRegistry', () => {
  it('has the records it starts with, then those registered, in order', () => {
    const registry = shapes();
    const square = { name: 'square', summary: 'four corners', corners: 4, right: true };
    const registered = registry.register(square);
    expect(registered.right).toBe(true);
    expect(registry.names()).toEqual(['triangle', 'square']);
    expect(registry.all()).toEqual([triangle, square]);
    expect(registry.named('square')).toBe(square);
    expect(registry.has('square')).toBe(true);
    expect(shapes().names()).toEqual(['triangle']);
  });

  it('lists the registered names where one is unknown, those of objects too', () => {
    expect(() => shapes().named('triangel')).toThrow(
      'unknown flat shape "triangel": did you mean "triangle"? known: triangle',
    );
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(shapes().has(name)).toBe(false);
      expect(() => shapes().named(name)).toThrow(`unknown flat shape "${name}": known: triangle`);
    }
  });

  it('takes the same record again, but no other of its name', () => {
    const registry = shapes();
    expect(registry.register(triangle)).toBe(triangle);
    expect(registry.names()).toEqual(['triangle']);
    expect(() => registry.register({ ...triangle })).toThrow(
      'registerFlatShape: expected a name that is free, got "triangle"; choose another, taken are triangle',
    );
  });

  it('refuses names that recipes and files could not have, and records that help could not list', () => {
    for (const name of ['My shape', '', '3d', 'a/b', '__proto__', undefined]) {
      expect(() => shapes().register({ ...triangle, name } as Shape)).toThrow(ConfigError);
    }
    expect(() => shapes().register({ ...triangle, name: 'Disc' })).toThrow(
      'registerFlatShape: expected a name of lower-case letters, digits and hyphens, got "Disc"; recipes and file names use it',
    );
    expect(() => shapes().register({ name: 'disc', corners: 0 } as Shape)).toThrow(
      'registerFlatShape: expected a summary of "disc" in one line, got none; help and lists show it',
    );
  });

  it('holds records to the shape of their kind, and what they give, once others register them', () => {
    const registry = createRegistry<Shape & { area?(side: number): number }>('flat shape', [triangle], {
      corners: rules.count,
      area: optional(call(rules.amount)),
    });
    const bad = { name: 'square', summary: 'four corners', corners: 'four' };
    expect(() => registry.register(bad as never)).toThrow(
      'registerFlatShape: flat shape "square": expected a whole number of 0 or more as "corners", got "four"; correct the record',
    );
    expect(() => registry.register(undefined as never)).toThrow(
      'registerFlatShape: expected a record, got nothing',
    );
    expect(registry.has('square')).toBe(false);
    const square = { name: 'square', summary: 'four corners', corners: 4, area: (side: number) => -side };
    expect(registry.register(square)).toBe(square);
    expect(registry.register(square)).toBe(square);
    expect(() => registry.named('square').area?.(2)).toThrow(
      'flat shape "square": what area() gives: expected',
    );
    expect(() => createRegistry<Shape>('flat shape', [bad as never], { corners: rules.count })).toThrow(
      'as "corners"',
    );
  });
});

describe('madeOfRecords', () => {
  it('is made again when another record has been registered, in whichever registry', () => {
    const registry = shapes();
    const names = madeOfRecords(() => registry.names());
    const first = names();
    expect(names()).toBe(first);
    registry.register({ name: 'pentagon', summary: 'five corners', corners: 5 });
    expect(names()).toEqual(['triangle', 'pentagon']);
  });
});
