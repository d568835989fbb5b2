import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StateError } from '@polygate/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createQuarantine } from './quarantine.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-quarantine-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('quarantine', () => {
  it('lists each bad sample as a JSON line at once and counts by reason', async () => {
    const path = join(root, 'sub', 'bad.jsonl');
    using quarantine = createQuarantine({ path });
    quarantine.accept(300);
    quarantine.add('a.png', 'not decodable', 'unexpected "end"\n of data');
    quarantine.add('b.png', 'empty caption');
    quarantine.add('c.png', 'not decodable');
    // Before it is closed: a killed job leaves the list of what it saw.
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { id: 'a.png', reason: 'not decodable', detail: 'unexpected "end"\n of data' },
      { id: 'b.png', reason: 'empty caption' },
      { id: 'c.png', reason: 'not decodable' },
    ]);
    expect(quarantine.finish()).toEqual({
      accepted: 300,
      rejected: 3,
      reasons: { 'not decodable': 2, 'empty caption': 1 },
      path,
    });
  });

  it('stops at a run of bad samples, which a good one ends', () => {
    const quarantine = createQuarantine({ maxRun: 3, maxRate: 1 });
    const bad = (count: number): void => {
      for (let i = 0; i < count; i += 1) quarantine.add(`s${i}`, 'broken');
    };
    bad(3);
    quarantine.accept();
    bad(3);
    expect(() => bad(1)).toThrow(StateError);
    expect(() => bad(1)).toThrow(
      'quarantine: expected fewer bad samples, got 5 bad samples in a row (limit 3); by reason: broken: 8. Correct the data or raise the limit',
    );
  });

  it('stops at a share of bad samples, once there are enough to judge', () => {
    const quarantine = createQuarantine({ maxRate: 0.1, minimumSamples: 50, path: join(root, 'rate.jsonl') });
    // 5 of 50 is 10 %, the limit itself; the sixth of 51 is 11.8 %.
    for (let i = 0; i < 5; i += 1) quarantine.add(`s${i}`, i < 4 ? 'x' : 'y');
    quarantine.accept(45);
    expect(() => quarantine.add('last', 'x')).toThrow(
      `got 6 bad samples of 51 (11.8 %, limit 10 %); by reason: x: 5, y: 1. See ${join(root, 'rate.jsonl')}, correct the data or raise the limit`,
    );
    quarantine.close();
  });

  it('judges few samples at the end', () => {
    const quarantine = createQuarantine({ maxRate: 0.1 });
    quarantine.add('a', 'x');
    quarantine.accept(3);
    expect(() => quarantine.finish()).toThrow('got 1 bad samples of 4 (25.0 %, limit 10 %)');
    expect(createQuarantine().finish()).toEqual({ accepted: 0, rejected: 0, reasons: {} });
  });

  it('names the remedy when its list can not be written, and refuses limits that are none', async () => {
    await writeFile(join(root, 'file'), '');
    expect(() => createQuarantine({ path: join(root, 'file', 'bad.jsonl') })).toThrow(
      /expected to write the file, got/u,
    );
    expect(() => createQuarantine({ maxRate: 2 })).toThrow('quarantine: expected maxRate of 0 to 1');
  });
});
