/** Records by name: what there may be many of (conditions, modalities, task families, readers, models, optimizers). */
import { ConfigError, unknownName } from './errors.ts';

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
   * @throws ConfigError for a name that recipes can't hold or that is taken, or a missing summary
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

const NAME = /^[a-z][a-z0-9-]*$/u;

/** `task family` -> `registerTaskFamily`, the name under which packages export `register`. */
const registrarOf = (kind: string): string =>
  `register${kind.replace(/(?:^|[ -])(\w)/gu, (_, letter: string) => letter.toUpperCase())}`;

/**
 * A registry of one kind of record.
 * @param kind in the singular, as error texts name it: `condition`, `task family`
 * @param records those that are there from the start
 */
export const createRegistry = <R extends NamedRecord>(
  kind: string,
  records: readonly R[] = [],
): Registry<R> => {
  const byName = new Map<string, R>();
  const registrar = registrarOf(kind);

  const register = <T extends R>(record: T): T => {
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
    const present = byName.get(name);
    if (present !== undefined && present !== record) {
      throw new ConfigError(
        `${registrar}: expected a name that is free, got "${name}"; choose another, taken are ${[...byName.keys()].join(', ')}`,
        { fields: { kind, name } },
      );
    }
    if (present === undefined) registrations.push({ kind, name, record });
    byName.set(name, record);
    return record;
  };
  for (const record of records) register(record);

  return Object.freeze({
    register,
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
