/** Errors of sources, stages and sinks with the name of the place that they came from. */
import { PolygateError, StateError } from '@polygate/core';

/** Errors whose place is told, or that came from the source: the stages that they pass leave them alone. */
const placed = new WeakSet<object>();

const isObject = (error: unknown): error is object => typeof error === 'object' && error !== null;

/** Marks an error of the source, which says itself what it is about (a file, a row). */
export const ofSource = (error: unknown): unknown => {
  if (isObject(error)) placed.add(error);
  return error;
};

/** The same error class and code with the place in front; what is no typed error becomes a StateError with its cause. */
const withPlace = (error: unknown, who: string): PolygateError => {
  if (!(error instanceof PolygateError)) {
    const text = error instanceof Error ? error.message : String(error);
    return new StateError(`pipe: ${who} failed: ${text}; see the cause`, {
      code: 'stage-failed',
      fields: { stage: who },
      cause: error,
    });
  }
  const { code, fields, message } = error;
  const Kind = error.constructor as new (
    message: string,
    options: ConstructorParameters<typeof StateError>[1],
  ) => PolygateError;
  return new Kind(`pipe: ${who}: ${message}`, { code, fields: { ...fields, stage: who }, cause: error });
};

/** An error with the name of the stage or sink that it came from; one that passes through keeps its own. */
export const named = (error: unknown, who: string): unknown => {
  if (isObject(error) && placed.has(error)) return error;
  const withStage = withPlace(error, who);
  placed.add(withStage);
  return withStage;
};

/** Passes batches on, and the errors that end them through `place`. */
export async function* withErrors<T>(
  batches: AsyncIterable<T>,
  locate: (error: unknown) => unknown,
): AsyncGenerator<T> {
  try {
    yield* batches;
  } catch (error) {
    throw locate(error);
  }
}
