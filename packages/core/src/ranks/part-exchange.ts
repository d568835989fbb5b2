/**
 * What the parts of one batch tell each other where its loss is no sum over parts: contrastive losses, batch norm, balance
 * of experts. The loss of a part is computed twice. The first time, a rehearsal, it tells what others must know, and what it
 * is answered is its own; then all parts have told, and the second time it is answered for the whole batch. Names are those
 * of the computation, the same on every part; a part may lack some.
 *
 * P parts
 */
import { StateError } from '../errors.ts';

/** What a part told, by name. */
export type PartTold = ReadonlyMap<string, Float64Array>;

/** Rows of all parts. */
export interface GatheredRows {
  /** Values of one part after another. */
  readonly values: Float64Array;
  /** Where those of this part begin. */
  readonly first: number;
}

/** A part's view of the whole batch. */
export interface PartExchange {
  /** Whether the outcome is thrown away: nothing that lasts may change, and nothing be reported. */
  readonly isRehearsal: boolean;
  /** The same for a part of the computation, whose names are its own. */
  within(label: string): PartExchange;
  /** Sums over all parts, one by one. @param values equally many on all parts; borrowed */
  sum(name: string, values: Float64Array): Float64Array;
  /** Sums of all that any part has, by name, whether or not this one has it. @param entries of this part; borrowed */
  sumAll(entries: ReadonlyMap<string, Float64Array>): ReadonlyMap<string, Float64Array>;
  /** Values of all parts. @param values as many as the part has; borrowed */
  gather(name: string, values: ArrayLike<number>): GatheredRows;
}

/** How a computation is answered, by whole names. */
interface Answers extends Pick<PartExchange, 'isRehearsal' | 'sum' | 'gather'> {
  /** All names that some part has told. */
  readonly names: () => readonly string[];
}

const scoped = (prefix: string, answers: Answers): PartExchange => {
  const sum = (name: string, values: Float64Array): Float64Array => answers.sum(`${prefix}${name}`, values);
  return {
    isRehearsal: answers.isRehearsal,
    within: (label) => scoped(`${prefix}${label}/`, answers),
    sum,
    sumAll(entries) {
      const own = [...entries].map(([name, values]) => [name, sum(name, values)] as const);
      const others = answers
        .names()
        .flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
        .filter((name) => !entries.has(name))
        .map((name) => [name, sum(name, new Float64Array())] as const);
      return new Map([...own, ...others]);
    },
    gather: (name, values) => answers.gather(`${prefix}${name}`, values),
  };
};

/** The first computation of a part, and what it has told when it is done. */
export const rehearsePart = (): { readonly exchange: PartExchange; readonly told: PartTold } => {
  const told = new Map<string, Float64Array>();
  const tell = (name: string, values: ArrayLike<number>): Float64Array => {
    if (told.has(name)) throw new StateError(`part: expected one value of each name, got another "${name}"`);
    const own = Float64Array.from(values);
    told.set(name, own);
    return own;
  };
  return {
    told,
    exchange: scoped('', {
      isRehearsal: true,
      names: () => [],
      sum: tell,
      gather: (name, values) => ({ values: tell(name, values), first: 0 }),
    }),
  };
};

/**
 * The second computation of a part.
 * @param all what the parts told, in the order of their rows
 * @param own index of this part among them
 * @throws StateError when the computation asks for what it did not tell
 */
export const informedPart = (all: readonly PartTold[], own: number): PartExchange => {
  const toldOf = (name: string): readonly Float64Array[] => {
    const parts = all.flatMap((told) => told.get(name) ?? []);
    if (parts.length === 0) {
      throw new StateError(
        `part: expected what the rehearsal of this part told, got a question for "${name}", which no part told; a loss must compute the same twice`,
      );
    }
    return parts;
  };
  return scoped('', {
    isRehearsal: false,
    names: () => [...new Set(all.flatMap((told) => [...told.keys()]))],
    sum(name) {
      const [first = new Float64Array(), ...others] = toldOf(name);
      return first.map((value, at) => others.reduce((sum, part) => sum + (part[at] ?? 0), value));
    },
    gather(name) {
      const parts = toldOf(name);
      const values = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const part of parts) {
        values.set(part, at);
        at += part.length;
      }
      const before = all.slice(0, own).map((told) => told.get(name)?.length ?? 0);
      return { values, first: before.reduce((sum, length) => sum + length, 0) };
    },
  });
};
