/**
 * Records of others, guarded: what their functions give is held to the shape of their kind, and an error on the way is known
 * by the record that it came from. The records themselves, and what they give, stay as they are.
 */
import { excerpt } from './json.ts';
import { requireFit, ruleOf, type Rule, type RuleFields } from './record-shape.ts';

/** A registered record, by what errors call it. */
export interface RecordOrigin {
  /** Kind of the registry, e.g. `task family`. */
  readonly kind: string;
  readonly name: string;
}

const origins = new WeakMap<object, RecordOrigin>();

/** The record in whose functions an error was thrown, or an error that caused it; undefined for one of ours. */
export const originOf = (error: unknown): RecordOrigin | undefined => {
  if (typeof error !== 'object' || error === null) return undefined;
  return origins.get(error) ?? originOf((error as { readonly cause?: unknown }).cause);
};

/** An error as it was thrown, known by a record from now on where it is known by none. */
export const noteOrigin = (error: unknown, origin: RecordOrigin): unknown => {
  if (typeof error === 'object' && error !== null && !originOf(error)) origins.set(error, origin);
  return error;
};

/** What is waited for of the functions of records. */
export interface PendingAnswer {
  readonly origin: RecordOrigin;
  /** `what open(sources.birds) gives`. */
  readonly what: string;
}

const pending = new Set<{ readonly origin: RecordOrigin; readonly what: () => string }>();

/** Answers of the functions of records that have not come yet, in the order in which they were asked for. */
export const pendingAnswers = (): readonly PendingAnswer[] =>
  Array.from(pending, ({ origin, what }) => ({ origin, what: what() }));

/** What guarded objects stand for. */
const originals = new WeakMap<object, object>();

/** An object as its own code knows it, with what it keeps to itself. */
const original = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? (originals.get(value) ?? value) : value;

/** Whether a value of a rule has functions that are to be guarded. */
const hasCalls = ({ gives, fields, entries, items }: Rule): boolean =>
  gives !== undefined ||
  items !== undefined ||
  (entries !== undefined && hasCalls(entries)) ||
  Object.values(fields ?? {}).some(hasCalls);

/** Where a guarded value stands. */
interface Place {
  readonly origin: RecordOrigin;
  /** From the record: `predict.format`. */
  readonly path: string;
}

interface Guarded extends Place {
  readonly rule: Rule & { readonly gives: NonNullable<Rule['gives']> };
}

const atOnceRule = ruleOf('a value at once', (value) => !(value instanceof Promise));

type AnyFunction = (...args: unknown[]) => unknown;

/** A function of an owner; what it gives is checked, and its errors are noteOrigin. */
const guardCall = (
  owner: object,
  work: AnyFunction,
  { origin, path, rule: { gives, subject = () => '', atOnce = false } }: Guarded,
): AnyFunction => {
  const checked = (value: unknown, rule: Rule, called: string): unknown => {
    if (atOnce) requireAtOnce(value, called);
    requireFit(rule, value, `${origin.kind} "${origin.name}": what ${called} gives`);
    return guardValue(value, rule, { origin, path: called });
  };
  const requireAtOnce = (value: unknown, called: string): void => {
    // Nobody waits for it: what goes wrong in it is told of here or nowhere.
    if (value instanceof Promise) value.catch(() => undefined);
    requireFit(atOnceRule, value, `${origin.kind} "${origin.name}": what ${called} gives`);
  };
  const settled = async (value: Promise<unknown>, rule: Rule, called: string): Promise<unknown> => {
    const waiting = { origin, what: () => `what ${called} gives` };
    pending.add(waiting);
    try {
      return checked(await value, rule, called);
    } catch (error) {
      throw noteOrigin(error, origin);
    } finally {
      pending.delete(waiting);
    }
  };
  return (...args) => {
    try {
      const rule = gives(args, owner);
      const called = `${path}(${subject(args)})`;
      const value = work.apply(owner, args.map(original));
      return value instanceof Promise && !rule.items && !atOnce
        ? settled(value, rule, called)
        : checked(value, rule, called);
    } catch (error) {
      throw noteOrigin(error, origin);
    }
  };
};

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** What a stream gives, each of it held to a rule as it comes. */
async function* guardStream(
  stream: AsyncIterable<unknown>,
  rule: Rule,
  { origin, path }: Place,
): AsyncGenerator<unknown> {
  let index = 0;
  const what = (item: unknown) => () => {
    const id = isObject(item) && 'id' in item ? ` (${excerpt(item.id)})` : '';
    return `${origin.kind} "${origin.name}": item ${index}${id} of what ${path} gives`;
  };
  const waiting = { origin, what: () => `item ${index} of what ${path} gives` };
  pending.add(waiting);
  try {
    for await (const item of stream) {
      pending.delete(waiting);
      requireFit(rule, item, what(item));
      yield item;
      index += 1;
      pending.add(waiting);
    }
  } catch (error) {
    throw noteOrigin(error, origin);
  } finally {
    pending.delete(waiting);
  }
}

/** A value whose functions are guarded, and what comes of it, where its rule names any. */
const guardValue = (value: unknown, rule: Rule, at: Place): unknown => {
  if (!isObject(value) || !hasCalls(rule)) return value;
  const { fields, entries, items } = rule;
  if (items) return guardStream(value as AsyncIterable<unknown>, items, at);
  if (entries)
    return (value as readonly unknown[]).map((entry, index) =>
      guardValue(entry, entries, { ...at, path: `${at.path}[${index}]` }),
    );
  return fields ? guardRecord(value, fields, at.origin, `${at.path}.`) : value;
};

/**
 * An object that stands for a record: its functions are guarded as `fields` say, all are called on the record itself, and
 * everything else is the record's.
 * @param path what stands before the names of its functions in errors
 */
export const guardRecord = <R extends object>(
  record: R,
  fields: RuleFields,
  origin: RecordOrigin,
  path = '',
): R => {
  const made = new Map<string | symbol, { readonly of: unknown; readonly value: unknown }>();
  const guarded = (key: string | symbol): unknown => {
    const value: unknown = Reflect.get(record, key, record);
    const present = made.get(key);
    if (present?.of === value && made.has(key)) return present?.value;
    const rule = typeof key === 'string' && Object.hasOwn(fields, key) ? fields[key] : undefined;
    const at = { origin, path: `${path}${String(key)}` };
    let checked = value;
    if (typeof value === 'function' && key !== 'constructor') {
      const gives = rule?.gives;
      checked = gives
        ? guardCall(record, value as AnyFunction, { ...at, rule: { ...rule, gives } as Guarded['rule'] })
        : (value.bind(record) as unknown);
    } else if (rule) checked = guardValue(value, rule, at);
    made.set(key, { of: value, value: checked });
    return checked;
  };
  // The target is empty: a proxy of a frozen record could not give anything in place of its functions.
  const proxy = new Proxy(Object.create(Object.getPrototypeOf(record) as object | null) as object, {
    get: (_, key) => guarded(key),
    set: (_, key, value) => Reflect.set(record, key, value, record),
    has: (_, key) => Reflect.has(record, key),
    ownKeys: () => Reflect.ownKeys(record),
    getOwnPropertyDescriptor: (_, key) => {
      const descriptor = Reflect.getOwnPropertyDescriptor(record, key);
      return (
        descriptor && {
          configurable: true,
          enumerable: descriptor.enumerable === true,
          writable: true,
          value: guarded(key),
        }
      );
    },
  }) as R;
  originals.set(proxy, record);
  return proxy;
};
