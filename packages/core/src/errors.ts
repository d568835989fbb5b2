/** Fields that an error carries beside its text, for programs that handle it. */
export type ErrorFields = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  /** Stable identifier, e.g. `shard-truncated`. @default the class's own code */
  readonly code?: string;
  readonly fields?: ErrorFields;
  readonly cause?: unknown;
}

/**
 * Base of all errors that users of Polygate are meant to read.
 * The message says what was expected, what came, and the remedy.
 */
export class PolygateError extends Error {
  readonly code: string;
  readonly fields: ErrorFields;

  constructor(message: string, defaultCode: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
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

/**
 * The error for a name that is not in a registry: lists the known names, the nearest first.
 * @example unknownName('engine', 'wsam', ['wasm', 'cpu']).message
 */
export const unknownName = (kind: string, got: string, known: readonly string[]): ConfigError => {
  const nearest = [...known].sort((a, b) => editDistance(got, a) - editDistance(got, b));
  const best = nearest[0];
  const hint = best !== undefined && editDistance(got, best) <= 2 ? `did you mean "${best}"? ` : '';
  const list = known.length > 0 ? [...known].sort().join(', ') : '(none)';
  return new ConfigError(`unknown ${kind} "${got}": ${hint}known: ${list}`, {
    code: 'unknown-name',
    fields: { kind, got, known },
  });
};
