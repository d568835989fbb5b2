import { createLogger, type Logger, type LogLevel } from './logger.ts';

/** A logger of plain lines: on standard error, which leaves standard output to results, or on a browser's console. */
export const consoleLogger = (level: LogLevel = 'info'): Logger =>
  createLogger((lineLevel, message) => {
    const line = lineLevel === 'info' ? message : `${lineLevel}: ${message}`;
    const { process } = globalThis as { process?: { readonly stderr?: { write(text: string): unknown } } };
    if (process?.stderr) process.stderr.write(`${line}\n`);
    else console.error(line);
  }, level);
