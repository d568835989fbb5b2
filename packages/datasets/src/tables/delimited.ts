/**
 * Delimited text (CSV, TSV) as a stream of records. Quoting follows RFC 4180 where it is switched on: a field that
 * begins with a quote ends at the next single quote, and a doubled quote stands for one; such a field may hold
 * delimiters and line ends. TSV as GLUE writes it has no quoting at all.
 */
import { isUtf8 } from 'node:buffer';
import { readTextBytes } from '../archives/byte-source.ts';

/** Longest record that is read, in UTF-16 units. */
export const MAX_RECORD_LENGTH = 1 << 20;
/** Most fields in a record. */
export const MAX_FIELDS = 4096;

export interface DelimitedOptions {
  readonly delimiter: string;
  /** Whether quotes group a field. @default true */
  readonly quoting?: boolean;
}

/** One record with the line it begins at (from 1), or why it can't be used. */
export type RecordItem =
  | {
      readonly kind: 'record';
      readonly line: number;
      /** Name of the file, where several are read as one. */
      readonly file?: string;
      readonly fields: readonly string[];
      /** Indices of the fields that stood in quotes. */
      readonly quoted: readonly number[];
    }
  | {
      readonly kind: 'bad-record';
      readonly line: number;
      readonly file?: string;
      readonly code: string;
      readonly reason: string;
    };

type State = 'start' | 'plain' | 'quoted' | 'quote' | 'skip';

/** Takes text in pieces of any size and gives back the records that they complete. */
class RecordParser {
  readonly #delimiter: string;
  readonly #quoting: boolean;
  #state: State = 'start';
  #fields: string[] = [];
  #field: string[] = [];
  #quoted: number[] = [];
  #length = 0;
  #line = 1;
  #recordLine = 1;
  #problem: { code: string; reason: string } | undefined;

  constructor(options: DelimitedOptions) {
    this.#delimiter = options.delimiter;
    this.#quoting = options.quoting ?? true;
  }

  push(text: string): RecordItem[] {
    const done: RecordItem[] = [];
    for (const char of text) this.#take(char, done);
    return done;
  }

  finish(): RecordItem[] {
    const done: RecordItem[] = [];
    if (this.#state === 'quoted') {
      this.#problem ??= {
        code: 'unclosed-quote',
        reason: 'expected a closing quote, got the end of the file',
      };
    }
    if (this.#length > 0 || this.#fields.length > 0 || this.#problem) this.#endRecord(done);
    return done;
  }

  #take(char: string, done: RecordItem[]): void {
    if (char === '\n') this.#line += 1;
    this.#length += 1;
    if (this.#length > MAX_RECORD_LENGTH && this.#state !== 'skip') {
      this.#problem = {
        code: 'record-too-long',
        reason: `expected at most ${MAX_RECORD_LENGTH} characters in a record, got more; is a quote left open?`,
      };
      this.#state = 'skip';
      this.#field = [];
      this.#fields = [];
    }
    switch (this.#state) {
      case 'skip':
        if (char === '\n') this.#endRecord(done);
        return;
      case 'quoted':
        if (char === '"') this.#state = 'quote';
        else this.#field.push(char);
        return;
      case 'quote':
        if (char === '"') {
          this.#field.push('"');
          this.#state = 'quoted';
          return;
        }
        if (char !== this.#delimiter && char !== '\n' && char !== '\r') {
          this.#problem ??= {
            code: 'text-after-quote',
            reason: `expected a delimiter after a closing quote, got "${char}"`,
          };
        }
        this.#state = 'plain';
        this.#plain(char, done);
        return;
      case 'start':
        if (char === '"' && this.#quoting) {
          this.#state = 'quoted';
          this.#quoted.push(this.#fields.length);
          return;
        }
        this.#state = 'plain';
        this.#plain(char, done);
        return;
      case 'plain':
        this.#plain(char, done);
        return;
      default:
        this.#state satisfies never;
    }
  }

  #plain(char: string, done: RecordItem[]): void {
    if (char === this.#delimiter) this.#endField();
    else if (char === '\n') this.#endRecord(done);
    else this.#field.push(char);
  }

  #endField(): void {
    this.#fields.push(this.#field.join(''));
    this.#field = [];
    this.#state = 'start';
    if (this.#fields.length > MAX_FIELDS) {
      this.#problem = { code: 'too-many-fields', reason: `expected at most ${MAX_FIELDS} fields, got more` };
      this.#state = 'skip';
      this.#fields = [];
    }
  }

  #endRecord(done: RecordItem[]): void {
    if (this.#field[this.#field.length - 1] === '\r') this.#field.pop();
    this.#fields.push(this.#field.join(''));
    const line = this.#recordLine;
    const problem = this.#problem;
    const blank = this.#fields.length === 1 && this.#fields[0] === '';
    if (problem)
      done.push({ kind: 'bad-record', line, code: problem.code, reason: `line ${line}: ${problem.reason}` });
    else if (!blank) done.push({ kind: 'record', line, fields: this.#fields, quoted: this.#quoted });
    this.#fields = [];
    this.#quoted = [];
    this.#field = [];
    this.#length = 0;
    this.#recordLine = this.#line;
    this.#problem = undefined;
    this.#state = 'start';
  }
}

/** Bytes of a character that a piece of UTF-8 text ends in the middle of. */
const unfinished = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
};

/**
 * Reads the records of a file, plain or gzip, the header line among them; blank lines are left out, a byte order mark
 * too. @throws FormatError for other compression and for UTF-16
 */
export async function* readDelimited(path: string, options: DelimitedOptions): AsyncGenerator<RecordItem> {
  const parser = new RecordParser(options);
  let rest: Uint8Array = new Uint8Array(0);
  // A record is only suspected of damage where its own piece of the file holds some: U+FFFD may well be written out.
  let damaged = false;
  function* take(bytes: Uint8Array): Generator<RecordItem> {
    const whole = isUtf8(bytes);
    for (const item of parser.push(Buffer.from(bytes).toString('utf8'))) {
      yield damaged || !whole ? checkEncoding(item) : item;
      damaged = false;
    }
    damaged ||= !whole;
  }
  for await (const chunk of readTextBytes(path)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = bytes.length - unfinished(bytes);
    rest = bytes.subarray(end);
    yield* take(bytes.subarray(0, end));
  }
  yield* take(rest);
  for (const item of parser.finish()) yield damaged ? checkEncoding(item) : item;
}

/** The decoder turns bytes that are not UTF-8 into U+FFFD; such a record is damaged. */
const checkEncoding = (item: RecordItem): RecordItem =>
  item.kind === 'record' && item.fields.some((field) => field.includes('\uFFFD'))
    ? {
        kind: 'bad-record',
        line: item.line,
        code: 'invalid-utf8',
        reason: `line ${item.line}: expected UTF-8 text, got other bytes; save the file as UTF-8`,
      }
    : item;
