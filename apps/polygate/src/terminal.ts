import { consoleLogger, createLogger, type Logger } from '@polygate/core';
import type { TerminalStream } from '@polygate/training';

/** What a command may use of the world: its two streams, a logger, and the signal that ends long work. */
export interface Terminal {
  readonly logger: Logger;
  /** Aborted by SIGINT and SIGTERM; long work writes a checkpoint and returns. */
  readonly signal: AbortSignal;
  /** Where progress goes: a bar when a person watches, plain lines otherwise. */
  readonly stream: TerminalStream;
  /** Results go to standard output; everything else to standard error. */
  print(text: string): void;
}

/** The terminal of this process. The first SIGINT or SIGTERM aborts; a second one ends the process at once. */
export const processTerminal = (): Terminal & { release(): void } => {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\nstopping after this step; once more to stop at once\n');
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    logger: consoleLogger(),
    signal: controller.signal,
    stream: process.stderr,
    print: (text) => void process.stdout.write(`${text}\n`),
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
};

/** A terminal that keeps what it was told, for tests. */
export const memoryTerminal = (): Terminal & { readonly out: string[]; readonly log: string[] } => {
  const out: string[] = [];
  const log: string[] = [];
  return {
    out,
    log,
    logger: createLogger((level, message) => log.push(level === 'info' ? message : `${level}: ${message}`)),
    signal: new AbortController().signal,
    stream: { write: (text) => log.push(text), isTTY: false },
    print: (text) => void out.push(text),
  };
};
