import fc from 'fast-check';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMetricRecords, syncMetrics, truncateMetrics } from './metrics-file.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-metrics-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const line = (step: number, filler = 0): string =>
  `{"step":${step},"kind":"é","x":"${'y'.repeat(filler)}"}\n`;

describe('truncateMetrics', () => {
  it('cuts after the last line of the step', async () => {
    const path = join(folder, 'a.jsonl');
    await writeFile(path, line(1) + line(2) + line(2) + line(3) + line(4));
    await truncateMetrics(path, 2);
    expect(await readFile(path, 'utf8')).toBe(line(1) + line(2) + line(2));
    await truncateMetrics(path, 0);
    expect(await readFile(path, 'utf8')).toBe('');
  });

  it('cuts a torn last line and empty ones, and says nothing of them', async () => {
    const path = join(folder, 'b.jsonl');
    for (const tail of ['{"step":2,"ki', '{"step":2', '\n', `${line(10)}garbage\n`]) {
      await writeFile(path, line(1) + tail);
      expect(await truncateMetrics(path, 9)).toEqual({ damaged: [], lastStep: 1 });
      expect(await readFile(path, 'utf8')).toBe(line(1));
    }
  });

  it('keeps damaged lines and all good ones behind them, and gives their numbers', async () => {
    const path = join(folder, 'damaged.jsonl');
    for (const damage of ['null\n', '{"step":"2"}\n', 'garbage\n', '{"step":2,\n']) {
      const kept = line(1) + damage + line(2);
      await writeFile(path, kept + line(10) + line(11));
      expect(await truncateMetrics(path, 9)).toEqual({ damaged: [2], lastStep: 2 });
      expect(await readFile(path, 'utf8')).toBe(kept);
      await writeFile(path, line(1) + damage);
      expect(await truncateMetrics(path, 9)).toEqual({ damaged: [2], lastStep: 1 });
      expect(await readFile(path, 'utf8')).toBe(line(1) + damage);
    }
    // A flipped digit makes a step of the future: what follows is not thrown away for it.
    const wild = line(1) + line(71) + 'null\n' + line(3);
    await writeFile(path, wild + line(12));
    expect(await truncateMetrics(path, 9)).toEqual({ damaged: [3], lastStep: 3 });
    expect(await readFile(path, 'utf8')).toBe(wild);
  });

  it('keeps exactly the whole lines up to the step, however the file was cut and however long the lines', async () => {
    const path = join(folder, 'c.jsonl');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(400_000), { maxLength: 8 }),
        fc.nat(9),
        fc.nat(),
        async (fillers, step, cut) => {
          const lines = fillers.map((filler, i) => line(i + 1, filler));
          const whole = Buffer.from(lines.join(''));
          const end = whole.length === 0 ? 0 : cut % (whole.length + 1);
          await writeFile(path, whole.subarray(0, end));
          await truncateMetrics(path, step);
          let expected = '';
          for (const each of lines.slice(0, step)) {
            if (Buffer.byteLength(expected + each) > end) break;
            expected += each;
          }
          expect((await readFile(path)).equals(Buffer.from(expected))).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('reads a line in time linear in its length, and none beyond the bound', async () => {
    const path = join(folder, 'long.jsonl');
    // Quadratic in its pieces of 1 MB, a line of 200 MB would copy 20 GB.
    await writeFile(path, line(1));
    const piece = Buffer.alloc(10 << 20, 'y');
    for (let i = 0; i < 20; i += 1) await appendFile(path, piece);
    await appendFile(path, `\n${line(2)}`);
    const records: unknown[] = [];
    for await (const record of readMetricRecords(path)) records.push(record);
    expect(records).toEqual([{ step: 1, kind: 'é', x: '' }, undefined, { step: 2, kind: 'é', x: '' }]);
    expect(await truncateMetrics(path, 9)).toEqual({ damaged: [2], lastStep: 2 });
  });

  it('leaves a missing file missing', async () => {
    await truncateMetrics(join(folder, 'none'), 3);
    await syncMetrics(join(folder, 'none'));
    await expect(readFile(join(folder, 'none'))).rejects.toThrow('ENOENT');
  });
});
