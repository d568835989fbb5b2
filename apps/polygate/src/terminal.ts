import { createLogger, type Logger } from '@polygate/core';
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

/**
 * The terminal of this process; results go to standard output, all else to a screen on standard error, so that lines
 * and the bar don't run into one another. The first SIGINT or SIGTERM aborts; a second one ends the process at once.
 *
 * Node hands signals to the main thread when it next turns to its event loop: in the middle of a long step the words
 * below come when the step's engine calls let go, not at the key press. Ctrl-\ (SIGQUIT) needs no such turn.
 */
export const processTerminal = (): Terminal & { release(): void } => {
  const controller = new AbortController();
  const { stderr } = process;
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
  // The terminal is gone then, and writing to it fails: the work is to end well all the same.
  const onHangUp = (): void => {
    for (const stream of [process.stdout, stderr]) stream.on('error', () => {});
    onSignal();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onHangUp);
  return {
    logger: createLogger((level, message) =>
      screen.write(level === 'info' ? `${message}\n` : `${level}: ${message}\n`),
    ),
    signal: controller.signal,
    stream: screen,
    print: (text) => void process.stdout.write(`${text}\n`),
    release() {
      screen.hide();
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      process.off('SIGHUP', onHangUp);
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
