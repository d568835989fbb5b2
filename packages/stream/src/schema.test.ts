import type { Schema } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { buildBatch } from './build.ts';
import { mixBatches } from './mixed-batches.ts';
import { createMixture } from './mixture.ts';
import { defineSchema, schemaFields } from './schema.ts';
import { withColumns } from './stage.ts';
import { values } from './columns.ts';

/** Fields or columns of one name, which may be one that objects inherit. */
const one = <T>(name: string, value: T): Record<string, T> => Object.fromEntries([[name, value]]);

describe.each(['constructor', 'toString', '__proto__'])('a column %s', (name) => {
  it('is one like any other', () => {
    const schema = defineSchema(one(name, 'int32'));
    expect(Object.entries(schemaFields(schema))).toEqual([[name, 'int32']]);
    const batch = buildBatch(schema, one(name, Int32Array.of(1, 2)));
    expect(Array.from(values(withColumns(batch, schema, {}), name))).toEqual([1, 2]);
  });

  it('is missing where it is not given', async () => {
    const schema = defineSchema(one(name, 'int32'));
    expect(() => buildBatch(schema, {})).toThrow(`batch: missing column "${name}"`);
    expect(() => buildBatch(defineSchema({ id: 'int32' }) as Schema, one(name, Int32Array.of(1)))).toThrow(
      `batch: missing column "id"`,
    );
    expect(() =>
      buildBatch(defineSchema({ id: 'int32' }), { id: [1], ...one(name, Int32Array.of(1)) }),
    ).toThrow(`batch: unknown column "${name}"`);
    const mixture = createMixture([{ name, size: 1 }], { seed: 1 });
    await expect(mixBatches(mixture, {}).next()).rejects.toThrow(`unknown mixture source "${name}"`);
  });
});
