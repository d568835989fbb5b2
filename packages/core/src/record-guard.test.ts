import { describe, expect, it } from 'vitest';
import { guardRecord, originOf } from './record-guard.ts';
import {
  call,
  callWith,
  listOf,
  optional,
  rules,
  shaped,
  streamOf,
  type RuleFields,
} from './record-shape.ts';

const origin = { kind: 'thing', name: 'x' };
const guarded = <R extends object>(record: R, fields: RuleFields): R => guardRecord(record, fields, origin);
const thrownBy = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('a guarded record', () => {
  it('gives what its functions give, where that is as it should be', async () => {
    const record = Object.freeze({ size: (n: number) => n, read: async (n: number) => Promise.resolve([n]) });
    const guard = guarded(record, { size: call(rules.amount), read: call(listOf(rules.amount)) });
    expect(guard.size(3)).toBe(3);
    expect(() => guard.size(-1)).toThrow(
      'thing "x": what size() gives: expected a finite number of 0 or more, got -1; correct the record',
    );
    await expect(guard.read(2)).resolves.toEqual([2]);
    await expect(guard.read(NaN)).rejects.toThrow(
      'what read() gives: expected a finite number of 0 or more as "0", got NaN',
    );
    expect({ ...guard }).toHaveProperty('size');
    expect(guard.size).toBe(guard.size);
  });

  it('is asked for by what it is given', () => {
    const guard = guarded(
      { pick: (list: readonly number[], n: number) => list.slice(n) },
      { pick: callWith(([list]) => listOf(rules.number, (list as number[]).length)) },
    );
    expect(guard.pick([1, 2], 0)).toEqual([1, 2]);
    expect(() => guard.pick([1, 2], 1)).toThrow('expected a list of at least 2, got [2]');
  });

  it('has its own code work on itself, also in what it makes', () => {
    class Counter {
      #count = 0;
      count(): number {
        this.#count += 1;
        return this.#count;
      }
      isAhead(other: Counter): boolean {
        return this.#count > other.#count;
      }
    }
    const guard = guarded(
      { make: () => new Counter() },
      { make: call(shaped({ count: call(rules.count), isAhead: call(rules.flag) })) },
    );
    const [a, b] = [guard.make(), guard.make()];
    expect([a.count(), a.count(), a instanceof Counter]).toEqual([1, 2, true]);
    expect([a.isAhead(b), b.isAhead(a)]).toEqual([true, false]);
    const broken = guarded(
      { make: () => ({ size: () => NaN }) },
      { make: call(shaped({ size: call(rules.number) })) },
    );
    expect(() => broken.make().size()).toThrow('what make().size() gives: expected a finite number, got NaN');
  });

  it('is held to what comes of it, item by item, and says which', async () => {
    const item = Object.freeze({ id: 'a', label: 0 });
    const reading = (items: readonly unknown[]) => ({
      read: (_key: string) => ({
        parts: [
          {
            async *items() {
              for (const each of items) yield await Promise.resolve(each);
            },
          },
        ],
      }),
    });
    const part = shaped({ items: call(optional(streamOf(shaped({ id: rules.text, label: rules.count })))) });
    const fields = {
      read: callWith(() => shaped({ parts: listOf(part) }), { subject: ([key]) => String(key) }),
    };
    const all = async (items: readonly unknown[]) => {
      const out: unknown[] = [];
      const [first] = guarded(reading(items), fields).read('sources.x').parts;
      for await (const each of first?.items() ?? []) out.push(each);
      return out;
    };
    const [same] = await all([item]);
    expect(same).toBe(item);
    const wrong = all([item, { id: 'b', label: NaN }]);
    await expect(wrong).rejects.toThrow(
      'thing "x": item 1 ("b") of what read(sources.x).parts[0].items() gives: expected a whole number of 0 or more as "label", got NaN; correct the record',
    );
    expect(originOf(await wrong.catch((error: unknown) => error))).toEqual(origin);
    await expect(all([null])).rejects.toThrow('item 0 of what read(sources.x).parts[0].items() gives: ');
  });

  it('is left by who has seen enough of what comes of it', async () => {
    let isClosed = false;
    const guard = guarded(
      {
        *read() {
          try {
            for (let i = 0; ; i += 1) yield i;
          } finally {
            isClosed = true;
          }
        },
        later: () => Promise.resolve([]),
      },
      { read: call(streamOf(rules.count)), later: call(streamOf(rules.any)) },
    );
    for await (const each of guard.read()) if (each === 2) break;
    expect(isClosed).toBe(true);
    expect(() => guard.later()).toThrow('what later() gives: expected what is iterated over, got ');
  });

  it('is known by the errors of its functions', async () => {
    const guard = guarded(
      {
        now: () => {
          throw new TypeError('now');
        },
        later: () => Promise.reject(new TypeError('later')),
      },
      { now: call(), later: call() },
    );
    const now = thrownBy(() => guard.now());
    expect(originOf(now)).toEqual(origin);
    expect(originOf(new Error('above', { cause: now }))).toEqual(origin);
    expect(originOf(await (guard.later() as Promise<never>).catch((error: unknown) => error))).toEqual(
      origin,
    );
    expect(originOf(new Error('another'))).toBeUndefined();
  });
});
