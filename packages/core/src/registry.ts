/** Records by name: what there may be many of (conditions, modalities, task families, readers, models, optimizers). */
import { ConfigError, unknownName } from './errors.ts';
import { excerpt } from './json.ts';
import { guardRecord } from './record-guard.ts';
import { requireFit, shaped, type RecordShape, type RuleFields } from './record-shape.ts';

/** What every registered record has. */
export interface NamedRecord {
  /** As in recipes and file names: lower-case letters, digits and hyphens, a letter first. */
  readonly name: string;
  /** One line for lists and help. */
  readonly summary: string;
}

/** The records of one kind, for the whole process. */
export interface Registry<R extends NamedRecord> {
  /**
   * Adds a record; the same object again changes nothing.
   * @returns the record, with its own type
   * @throws ConfigError for a name that recipes can't hold or that is taken, a missing summary, or (code `record`) a field
   * that is missing or no such thing
   */
  register<T extends R>(record: T): T;
  /** @throws ConfigError listing the registered names */
  named(name: string): R;
  has(name: string): boolean;
  /** In the order of registration. */
  names(): readonly string[];
  /** In the order of registration. */
  all(): readonly R[];
}

/** A record that was registered in this process. */
export interface Registration {
  /** Kind of the registry, e.g. `task family`. */
  readonly kind: string;
  readonly name: string;
  readonly record: unknown;
}

/** In order: what tells whether a module registered anything. */
const registrations: Registration[] = [];

/** The records that were registered after the first `count` ones. */
export const registeredSince = (count: number): readonly Registration[] => registrations.slice(count);

/** Number of records that were registered in this process. */
export const registrationCount = (): number => registrations.length;

/** What is made of all registered records, such as a schema of what they take: made again when there are more of them. */
export const madeOfRecords = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T; readonly of: number } | undefined;
  return () => {
    if (made?.of !== registrations.length) {
      const value = make();
      made = { value, of: registrations.length };
    }
    return made.value;
  };
};

const NAME = /^[a-z][a-z0-9-]*$/u;

/** `task family` -> `registerTaskFamily`, the name under which packages export `register`. */
const registrarOf = (kind: string): string =>
  `register${kind.replace(/(?:^|[ -])(\w)/gu, (_, letter: string) => letter.toUpperCase())}`;

/**
 * A registry of one kind of record. Records that are registered later are guarded where the kind has a shape: what is found
 * by a name checks what its functions give.
 * @param kind in the singular, as error texts name it: `condition`, `task family`
 * @param records those that are there from the start
 * @param shape what the fields of a record must be. @default nothing is checked beside name and summary
 */
export const createRegistry = <R extends NamedRecord>(
  kind: string,
  records: readonly R[] = [],
  shape?: RecordShape<R>,
): Registry<R> => {
  const byName = new Map<string, R>();
  // As they were registered.
  const originals = new Map<string, R>();
  const registrar = registrarOf(kind);
  const fields = shape as RuleFields | undefined;

  const add = <T extends R>(record: T, isGuarded: boolean): T => {
    // Records of other packages may be JavaScript: their types alone are not trusted.
    const given: unknown = record;
    if (typeof given !== 'object' || given === null) {
      throw new ConfigError(`${registrar}: expected a record, got ${excerpt(given)}; give it an object`, {
        code: 'record',
        fields: { kind },
      });
    }
    const { name, summary } = record;
    if (typeof name !== 'string' || !NAME.test(name)) {
      throw new ConfigError(
        `${registrar}: expected a name of lower-case letters, digits and hyphens, got "${name}"; recipes and file names use it`,
        { fields: { kind, name } },
      );
    }
    if (typeof summary !== 'string' || summary === '') {
      throw new ConfigError(
        `${registrar}: expected a summary of "${name}" in one line, got none; help and lists show it`,
        { fields: { kind, name } },
      );
    }
    const present = originals.get(name);
    if (present !== undefined && present !== record) {
      throw new ConfigError(
        `${registrar}: expected a name that is free, got "${name}"; choose another, taken are ${[...byName.keys()].join(', ')}`,
        { fields: { kind, name } },
      );
    }
    if (present !== undefined) return record;
    if (fields) requireFit(shaped(fields), record, `${registrar}: ${kind} "${name}"`);
    registrations.push({ kind, name, record });
    originals.set(name, record);
    byName.set(name, fields && isGuarded ? guardRecord<R>(record, fields, { kind, name }) : record);
    return record;
  };
  for (const record of records) add(record, false);

  return Object.freeze({
    register: <T extends R>(record: T): T => add(record, true),
    named(name: string): R {
      const record = byName.get(name);
      if (!record) throw unknownName(kind, name, [...byName.keys()]);
      return record;
    },
    has: (name: string) => byName.has(name),
    names: () => [...byName.keys()],
    all: () => [...byName.values()],
  });
};
