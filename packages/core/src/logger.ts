/** Levels in rising order of weight. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where packages write what a person may want to read. Passed in; no package writes to the console itself. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** A logger that hands each line of at least `level` to `write`. */
export const createLogger = (
  write: (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void,
  level: LogLevel = 'info',
): Logger => {
  const at = (lineLevel: LogLevel) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    if (levels.indexOf(lineLevel) >= levels.indexOf(level)) write(lineLevel, message, fields);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
};

/** A logger that drops everything. */
export const silentLogger: Logger = createLogger(() => {});
