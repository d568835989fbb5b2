import { describe, expect, it } from 'vitest';
import { informedPart, rehearsePart, type PartExchange } from './part-exchange.ts';

/** What a part with some rows says and asks. */
const computed = (exchange: PartExchange, rows: readonly number[]) => {
  const routers = exchange.within('routers');
  return {
    sum: [...routers.sum('counts', Float64Array.of(rows.length, 1))],
    rows: exchange.gather('rows', rows),
    // A kind for each row: the parts have different ones.
    kinds: Object.fromEntries(
      Array.from(
        exchange
          .within('kinds')
          .sumAll(new Map(rows.map((row) => [`${row % 3}`, Float64Array.of(row)] as const))),
        ([name, values]) => [name, [...values]],
      ),
    ),
  };
};

describe('an exchange of parts', () => {
  const parts = [[1], [3, 5]];
  const rehearsals = parts.map((rows) => {
    const { exchange, told } = rehearsePart();
    return { own: computed(exchange, rows), told };
  });
  const told = rehearsals.map((each) => each.told);

  it('answers a rehearsal with what it tells, and then for all parts', () => {
    expect(rehearsals.map(({ own }) => own.sum)).toEqual([
      [1, 1],
      [2, 1],
    ]);
    const [first, second] = parts.map((rows, at) => computed(informedPart(told, at), rows));
    expect(first?.sum).toEqual([3, 2]);
    expect(second?.sum).toEqual([3, 2]);
    expect(first?.rows).toEqual({ values: Float64Array.of(1, 3, 5), first: 0 });
    expect(second?.rows).toEqual({ values: Float64Array.of(1, 3, 5), first: 1 });
    // 1 and 3, 5 leave 1, 0 and 2.
    expect(first?.kinds).toEqual({ 0: [3], 1: [1], 2: [5] });
    expect(second?.kinds).toEqual(first?.kinds);
  });

  it('refuses a computation that differs from its rehearsal', () => {
    const { exchange } = rehearsePart();
    exchange.sum('counts', Float64Array.of(1));
    expect(() => exchange.sum('counts', Float64Array.of(1))).toThrow('got another "counts"');
    expect(() => informedPart(told, 0).gather('other', [1])).toThrow(
      'got a question for "other", which no part told; a loss must compute the same twice',
    );
  });
});
