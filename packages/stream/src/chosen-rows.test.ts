import { describe, expect, it } from 'vitest';
import { buildBatch } from './build.ts';
import type { RowReader } from './batch-source.ts';
import { chosenRows } from './chosen-rows.ts';
import { listRow, textRow } from './columns.ts';
import { defineSchema } from './schema.ts';
import { withColumns } from './stage.ts';

const schema = defineSchema({ id: 'utf8', tokens: { list: 'int32' } });

/** A reader of 1000 rows that counts how many it was asked for. */
const counted = (): RowReader & { asked: number; fails: boolean } => ({
  schema,
  rowCount: 1000,
  asked: 0,
  fails: false,
  read(rows) {
    if (this.fails) return Promise.reject(new Error('disk'));
    this.asked += rows.length;
    return Promise.resolve(
      buildBatch(schema, { id: rows.map((row) => `row ${row}`), tokens: rows.map((row) => [row, row + 1]) }),
    );
  },
});
const odd = Array.from({ length: 500 }, (_, i) => 2 * i + 1);

describe('chosen rows', () => {
  it('are counted anew, read once and held', async () => {
    const reader = counted();
    const rows = chosenRows(reader, { rows: odd });
    expect(rows.rowCount).toBe(500);
    for (let pass = 0; pass < 3; pass += 1) {
      const batch = await rows.read([499, 0, 300, 0]);
      expect([0, 1, 2, 3].map((row) => textRow(batch, 'id', row))).toEqual([
        'row 999',
        'row 1',
        'row 601',
        'row 1',
      ]);
      expect([...listRow(batch, 'tokens', 2)]).toEqual([601, 602]);
    }
    expect(reader.asked).toBe(500);
  });

  it('are read each time where they need more bytes than may be held', async () => {
    const reader = counted();
    const rows = chosenRows(reader, { rows: odd, bytes: 10_000 });
    const batch = await rows.read([499, 0]);
    expect(textRow(batch, 'id', 0)).toBe('row 999');
    // The first part of 256 told that 500 are too many.
    expect(reader.asked).toBe(256 + 2);
    await rows.read([3]);
    expect(reader.asked).toBe(256 + 3);
  });

  it.each([2 ** 20, 1])('are changed as they are read, with at most %i bytes held', async (bytes) => {
    const rows = chosenRows(counted(), {
      rows: odd,
      bytes,
      change: (batch, positions) =>
        withColumns(batch, schema, { tokens: positions.map((position) => [-position]) }),
    });
    const batch = await rows.read([400, 7]);
    expect([0, 1].map((row) => [...listRow(batch, 'tokens', row)])).toEqual([[-400], [-7]]);
    expect(textRow(batch, 'id', 1)).toBe('row 15');
  });

  it('are tried again after a read that failed', async () => {
    const reader = counted();
    const rows = chosenRows(reader, { rows: odd });
    reader.fails = true;
    await expect(rows.read([0])).rejects.toThrow('disk');
    reader.fails = false;
    expect((await rows.read([0])).numRows).toBe(1);
  });

  it('say which rows there are', async () => {
    expect(() => chosenRows(counted(), { rows: [] })).toThrow('expected one row or more, got none');
    await expect(chosenRows(counted(), { rows: odd }).read([500])).rejects.toThrow(
      'chosen rows: expected rows of 0 to 499, got 500',
    );
  });
});
