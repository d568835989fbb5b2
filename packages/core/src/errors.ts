/** Fields that an error carries beside its text, for programs that handle it. */
export type ErrorFields = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  /** Stable identifier, e.g. `shard-truncated`. @default the class's own code */
  readonly code?: string;
  readonly fields?: ErrorFields;
  readonly cause?: unknown;
}

/** Longest text of an error: content of others may stand in it at any length, and a person reads one line. */
const MAX_MESSAGE = 2000;
/** Characters of a cut text that are its end, where the remedy stands. */
const KEPT_END = 400;

const bounded = (message: string): string =>
  message.length <= MAX_MESSAGE
    ? message
    : `${message.slice(0, MAX_MESSAGE - KEPT_END)} … ${message.slice(-KEPT_END)}`;

/**
 * Base of all errors that users of Polygate are meant to read.
 * The message says what was expected, what came, and the remedy; one that is far too long is cut in its middle.
 */
export class PolygateError extends Error {
  readonly code: string;
  readonly fields: ErrorFields;

  constructor(message: string, defaultCode: string, options: ErrorOptions = {}) {
    super(bounded(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code ?? defaultCode;
    this.fields = Object.freeze({ ...options.fields });
  }
}

/** A tensor or array has the wrong rank, size or dtype. */
export class ShapeError extends PolygateError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'shape', options);
  }
}

/** A setting, option or recipe can't be used. */
export class ConfigError extends PolygateError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'config', options);
  }
}

/** A file or byte stream does not follow its format. */
export class FormatError extends PolygateError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'format', options);
  }
}

/** An object is used in a state that does not allow it: closed, disposed, not started, another run's. */
export class StateError extends PolygateError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'state', options);
  }
}

/** A compute engine is missing, fails, or runs out of memory. */
export class EngineError extends PolygateError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 'engine', options);
  }
}

/**
 * An error of ours with words in front that say where it came up; its class, code and fields stay. Any other error as it is.
 * @param where such as `task "captions"`
 */
export const errorAt = (error: unknown, where: string): unknown => {
  if (!(error instanceof PolygateError)) return error;
  const { code, fields } = error;
  const Class = error.constructor as new (message: string, options: ErrorOptions) => PolygateError;
  return new Class(`${where}: ${error.message}`, { code, fields, cause: error });
};

/** Longest name that suggestions are looked for, and that an error shows whole. */
const MAX_SHOWN_NAME = 120;
/** Known names that an error lists, the nearest first. */
const MAX_LISTED_NAMES = 64;

/** Levenshtein distance, for suggestions in error texts; names are short, so the plain table is enough. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

const shown = (name: string): string =>
  name.length <= MAX_SHOWN_NAME ? name : `${name.slice(0, MAX_SHOWN_NAME)}…`;

const byDistance = (got: string, names: readonly string[]): { name: string; distance: number }[] =>
  names
    .map((name) => ({ name, distance: editDistance(shown(got), shown(name)) }))
    .sort((a, b) => a.distance - b.distance);

/** The name that one was probably meant for, at most two letters away; undefined where none is. */
export const nearestName = (got: string, names: readonly string[]): string | undefined => {
  const [best] = byDistance(got, names);
  return best !== undefined && best.distance <= 2 ? best.name : undefined;
};

/**
 * The error for a name that is not in a registry: lists the known names, or the nearest of very many, and suggests one.
 * Names of any length and number are cut to what a person reads.
 * @example unknownName('engine', 'wsam', ['wasm', 'cpu']).message
 */
export const unknownName = (kind: string, got: string, names: readonly string[]): ConfigError => {
  const near = byDistance(got, names);
  const best = nearestName(got, names);
  const hint = best === undefined ? '' : `did you mean "${best}"? `;
  const listed = near.slice(0, MAX_LISTED_NAMES).map(({ name }) => shown(name));
  const more = names.length > listed.length ? `, and ${names.length - listed.length} more` : '';
  const list = names.length > 0 ? `${listed.sort().join(', ')}${more}` : '(none)';
  return new ConfigError(`unknown ${kind} "${shown(got)}": ${hint}known: ${list}`, {
    code: 'unknown-name',
    fields: { kind, got, known: names },
  });
};
