/** Where a text stops being JSON (RFC 8259), for the errors of a parser that says no place, or not always. */

/** The first place at which a text is not JSON. */
export interface JsonFault {
  /** Counted from 1; lines end in LF, CRLF or CR. */
  readonly line: number;
  /** Counted from 1, in UTF-16 units. */
  readonly column: number;
  /** What stands there, to the end of its word, or a few characters; empty at the end of the text. */
  readonly token: string;
}

const token = /([[\]{},:])|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.$+-])/uy;
const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/uy;
const blank = /[ \t\n\r]*/uy;
const word = /[-+\w.$]{1,64}|[^]{0,16}/uy;

/** What may come next: a value, a value or `]`, a key, a key or `}`, `:`, `,` or a closing bracket, or nothing. */
type Expectation = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end' | 'nothing';

const match = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at;
  return pattern.exec(text);
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Offset behind the string that begins at `start`; undefined where it is none. By hand: a string may have any length. */
const stringEnd = (text: string, start: number): number | undefined => {
  for (let at = start + 1; at < text.length; at += 1) {
    const c = text.charCodeAt(at);
    if (c === QUOTE) return at + 1;
    if (c < 0x20) return undefined;
    if (c === BACKSLASH) {
      const code = match(escaped, text, at)?.[0];
      if (code === undefined) return undefined;
      at += code.length - 1;
    }
  }
  return undefined;
};

/** Offset of the first fault; the text's length where it ends too early; undefined where it is JSON. */
const faultOffset = (text: string): number | undefined => {
  const open: ('[' | '{')[] = [];
  let expected: Expectation = 'value';
  let at = 0;
  const afterValue = (): Expectation => (open.length > 0 ? ', or end' : 'nothing');
  for (;;) {
    const start = at + (match(blank, text, at)?.[0].length ?? 0);
    if (start === text.length) return expected === 'nothing' ? undefined : start;
    const isText = text.charCodeAt(start) === QUOTE;
    const tokenMatch = isText ? undefined : (match(token, text, start) ?? undefined);
    const end = isText ? stringEnd(text, start) : tokenMatch && start + tokenMatch[0].length;
    if (end === undefined || expected === 'nothing') return start;
    at = end;
    const sign = tokenMatch?.[1];
    const isValue = expected === 'value' || expected === 'value or ]';
    const isKey = expected === 'key' || expected === 'key or }';
    const inside = open.at(-1);
    if (isKey && isText) expected = ':';
    else if (isValue && sign === undefined) expected = afterValue();
    else if (isValue && (sign === '[' || sign === '{')) {
      open.push(sign);
      expected = sign === '[' ? 'value or ]' : 'key or }';
    } else if (expected === ':' && sign === ':') expected = 'value';
    else if (expected === ', or end' && sign === ',') expected = inside === '[' ? 'value' : 'key';
    else if (
      (sign === ']' && inside === '[' && (expected === ', or end' || expected === 'value or ]')) ||
      (sign === '}' && inside === '{' && (expected === ', or end' || expected === 'key or }'))
    ) {
      open.pop();
      expected = afterValue();
    } else return start;
  }
};

/** The first fault of a text that `JSON.parse` refuses; time linear in the text. */
export const jsonFault = (text: string): JsonFault | undefined => {
  const offset = faultOffset(text);
  if (offset === undefined) return undefined;
  const before = text.slice(0, offset);
  let line = 1;
  for (let at = 0; at < offset; at += 1) {
    const c = text.charCodeAt(at);
    if (c === 0x0a || (c === 0x0d && text.charCodeAt(at + 1) !== 0x0a)) line += 1;
  }
  const lineStart = Math.max(before.lastIndexOf('\n'), before.lastIndexOf('\r')) + 1;
  return {
    line,
    column: offset - lineStart + 1,
    token: match(word, text, offset)?.[0] ?? '',
  };
};
