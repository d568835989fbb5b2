import { createLogger, StateError, type Logger } from '@polygate/core';
import { createScreen, type TerminalStream } from '@polygate/terminal';

/** What a command may use of the world: its two streams, a logger, and the signal that ends long work. */
export interface Terminal {
  readonly logger: Logger;
  /** Aborted by SIGINT, SIGTERM and SIGHUP; long work writes a checkpoint and returns. */
  readonly signal: AbortSignal;
  /** Where progress goes: a bar when a person watches, plain lines otherwise. */
  readonly stream: TerminalStream;
  /** Results go to standard output; everything else to standard error. */
  print(text: string): void;
}

/** Errors of a stream whose reader has gone. */
const readerGone: ReadonlySet<string> = new Set(['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED']);

/** The error of a standard output that took not all of the results. */
const untaken = (cause: Error): StateError => {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  const reason = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full' : cause.message;
  return new StateError(
    `standard output: expected it to take the results, got ${code}: ${reason}; files were written all the same: free space, or send the output elsewhere, and ask again`,
    { code: 'output-not-written', fields: { errno: code }, cause },
  );
};

/** The terminal of a process. */
export interface ProcessTerminal extends Terminal {
  /** Waits for what was printed. @throws StateError where standard output did not take it, but for a reader that has gone */
  flush(): Promise<void>;
  release(): void;
}

/**
 * The terminal of this process; results go to standard output, all else to a screen on standard error, so that lines
 * and the bar don't run into one another. The first SIGINT or SIGTERM aborts; a second one ends the process at once.
 *
 * Node hands signals to the main thread when it next turns to its event loop: in the middle of a long step the words
 * below come when the step's engine calls let go, not at the key press. Ctrl-\ (SIGQUIT) needs no such turn.
 *
 * Streams that fail end no work: hours of training are not lost with the pager that showed them.
 */
export const processTerminal = (): ProcessTerminal => {
  const controller = new AbortController();
  const { stderr, stdout } = process;
  let failed: Error | undefined;
  let printed = Promise.resolve();
  stdout.on('error', (error: Error) => (failed ??= error));
  stderr.on('error', () => {});
  const screen = createScreen({
    write: (text) => stderr.write(text),
    fd: stderr.fd,
    // A terminal that knows no escape sequences gets plain lines.
    isTTY: stderr.isTTY && process.env['TERM'] !== 'dumb',
    get columns() {
      return stderr.columns;
    },
  });
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    screen.write('stopping after this step; once more to stop at once\n');
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);
  return {
    logger: createLogger((level, message) =>
      screen.write(level === 'info' ? `${message}\n` : `${level}: ${message}\n`),
    ),
    signal: controller.signal,
    stream: screen,
    print(text) {
      const before = printed;
      printed = new Promise<void>((resolve) => {
        stdout.write(`${text}\n`, (error) => {
          if (error) failed ??= error;
          resolve();
        });
      }).then(() => before);
    },
    async flush() {
      await printed;
      if (failed && !readerGone.has((failed as NodeJS.ErrnoException).code ?? '')) throw untaken(failed);
    },
    release() {
      screen.hide();
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      process.off('SIGHUP', onSignal);
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
