import { ConfigError, EngineError, PolygateError } from '@polygate/core';
import { CommanderError } from 'commander';

/** What the exit code of `polygate` means; `--help` prints the same table. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  engine: 3,
  interrupted: 130,
} as const;

/** The exit code of an error. */
export const exitCodeOf = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (error instanceof ConfigError) return exitCodes.usage;
  if (error instanceof EngineError) return exitCodes.engine;
  return exitCodes.failed;
};

/** The text of an error for a person: the message of ours, the stack of what nobody expected. */
export const errorText = (error: unknown, verbose: boolean): string => {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  const expected = error instanceof PolygateError || error instanceof CommanderError;
  const head = `error: ${error.message}`;
  if (!verbose) {
    if (expected) return head;
    return `${head}\nThis was not expected. Run again with --verbose for the trace and report it.`;
  }
  const causes: string[] = [];
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause)
    causes.push(`cause: ${cause.stack}`);
  return [head, error.stack, ...causes].join('\n');
};
