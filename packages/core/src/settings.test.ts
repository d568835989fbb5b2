import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkSettings, laySettings } from './settings.ts';

const kinds = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('table'), file: z.string(), limit: z.number().optional() }),
  z.strictObject({ kind: z.literal('list'), files: z.array(z.string()), limit: z.string().optional() }),
]);
const schema = z.strictObject({
  name: z.string().default('x'),
  size: z.number().nullable().default(1),
  on: z.boolean().default(false),
  columns: z.array(z.union([z.string(), z.number()])).default([]),
  sources: z.record(z.string(), kinds).default({}),
});
const lay = (record: unknown, ...settings: string[]) => laySettings(schema, record, settings);

describe('settings', () => {
  it('have the type that the schema says', () => {
    expect(lay({}, 'name=1e3', 'size= 1e3 ', 'on=true', 'columns=["a",1]')).toEqual({
      name: '1e3',
      size: 1000,
      on: true,
      columns: ['a', 1],
    });
    expect(lay({}, 'size=null', 'columns=3')).toEqual({ size: null, columns: [3] });
    expect(lay({ columns: ['a', 'b'] }, 'columns.1=c')).toEqual({ columns: ['a', 'c'] });
  });

  it('follow the kind that the record or an earlier setting names', () => {
    const table = { sources: { t: { kind: 'table', file: 'a' } } };
    expect(lay(table, 'sources.t.limit=5')).toEqual({
      sources: { t: { kind: 'table', file: 'a', limit: 5 } },
    });
    expect(lay({}, 'sources.t.kind=list', 'sources.t.limit=5', 'sources.t.files=b')).toEqual({
      sources: { t: { kind: 'list', limit: '5', files: ['b'] } },
    });
    expect(() => lay(table, 'sources.t.fil=5')).toThrow(
      'unknown setting "sources.t.fil": did you mean "sources.t.file"? known: sources.t.file, sources.t.kind, sources.t.limit',
    );
  });

  it('follow the kind that needs no word where none is named', () => {
    const models = z.strictObject({
      model: z
        .discriminatedUnion('kind', [
          z.strictObject({ kind: z.literal('first').optional(), size: z.number().optional() }),
          z.strictObject({ kind: z.literal('second'), size: z.string(), depth: z.number().default(2) }),
        ])
        .prefault({}),
    });
    expect(checkSettings(models, laySettings(models, {}, ['model.size=5']), 'recipe')).toEqual({
      model: { size: 5 },
    });
    const second = laySettings(models, {}, ['model.kind=second', 'model.size=5']);
    expect(checkSettings(models, second, 'recipe')).toEqual({
      model: { kind: 'second', size: '5', depth: 2 },
    });
    expect(() => checkSettings(models, { model: { depht: 1 } }, 'recipe')).toThrow(
      'unknown recipe key "model.depht": known: model.kind, model.size',
    );
    expect(() => checkSettings(models, { model: { kind: 'third' } }, 'recipe')).toThrow(
      'unknown kind "third": known: first, second',
    );
  });

  it('name keys that no entry can have, at any depth', () => {
    const named = z.strictObject({
      sources: z.record(z.string().regex(/^[a-z]+$/u, 'expected letters'), kinds),
    });
    const check = (text: string): unknown => checkSettings(named, JSON.parse(text), 'recipe');
    const source = '{"kind":"table","file":"a"}';
    expect(check(`{"sources":{"constructor":${source}}}`)).toEqual({
      sources: { constructor: { kind: 'table', file: 'a' } },
    });
    expect(() => check(`{"sources":{"__proto__":${source}}}`)).toThrow(
      'recipe: expected keys that entries can have, got "sources.__proto__"; choose another name',
    );
    expect(() => check(`{"__proto__":{"sources":{}}}`)).toThrow('got "__proto__"; choose another name');
    expect(() => check(`{"sources":{"toString1":${source}}}`)).toThrow(
      'recipe: sources: a key: expected letters, got "toString1"; rename it',
    );
  });

  it('go into records whose own schema checks them later', () => {
    const open = z.object({ modalities: z.record(z.string(), z.record(z.string(), z.unknown())) });
    const laid = [
      'wave.window=3',
      'wave.names=["a"]',
      'wave.word=left',
      'wave.deep.er=true',
      'wave.none=null',
    ];
    expect(
      laySettings(
        open,
        {},
        laid.map((setting) => `modalities.${setting}`),
      ),
    ).toEqual({
      modalities: { wave: { window: 3, names: ['a'], word: 'left', deep: { er: true }, none: null } },
    });
    expect(() => laySettings(open, {}, ['modalities.wave.__proto__=1'])).toThrow('unknown setting');
  });

  it('say what is wrong', () => {
    expect(() => lay({}, 'size=one')).toThrow(
      '--set size=one: expected a number, got "one"; write it as JSON, for example size=0.001',
    );
    expect(() => lay({}, 'on=yes')).toThrow('--set on=yes: expected true or false, got "yes"');
    for (const bad of ['', '=', '=x', 'size', '.size=1', 'size.=1']) {
      expect(() => lay({}, bad)).toThrow('--set: expected path=value such as');
    }
    expect(() => checkSettings(schema, { sources: { t: { kind: 'tabel' } } }, 'recipe')).toThrow(
      'unknown kind "tabel": did you mean "table"? known: list, table',
    );
    expect(() => checkSettings(schema, { columns: [true] }, 'recipe')).toThrow(
      'recipe: columns.0: expected a text or a number, got true; a text is written in quotes, "true"',
    );
    expect(() => checkSettings(schema, null, 'recipe')).toThrow('recipe: Invalid input: expected object');
  });
});
