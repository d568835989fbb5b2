import { ConfigError, EngineError, PolygateError } from '@polygate/core';
import { extensionOrigin } from '@polygate/core/node';
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

/** Which extension an error came from, as a line below it; empty for one of ours. */
const originText = (error: unknown): string => {
  const origin = extensionOrigin(error);
  if (!origin) return '';
  const { module, line, records } = origin;
  return `\nThrown ${line === undefined ? 'after an answer of' : 'in'} the extension ${module}${line === undefined ? '' : `:${line}`} (${records})`;
};

/** The text of an error for a person: the message of ours, the stack of what nobody expected. */
export const errorText = (error: unknown, verbose: boolean): string => {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  const expected = error instanceof PolygateError || error instanceof CommanderError;
  const origin = originText(error);
  const head = `error: ${error.message}${origin}`;
  if (!verbose) {
    if (expected) return head;
    if (origin !== '') return `${head}; mend it there. Run again with --verbose for the trace.`;
    return `${head}\nThis was not expected. Run again with --verbose for the trace and report it.`;
  }
  const causes: string[] = [];
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause)
    causes.push(`cause: ${cause.stack}`);
  return [head, error.stack, ...causes].join('\n');
};
