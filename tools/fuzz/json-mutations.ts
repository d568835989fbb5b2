/** Damage to JSON that stays JSON: values of another type, keys that mean something to the language, pieces of others. */
import type { Random } from '@polygate/core';
import { pick } from './byte-mutations.ts';
import type { Mutator } from './target.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const DEEP = 20_000;
/** Stands where text is put that `JSON.stringify` does not write. */
const MARK = '\u0001mark\u0001';

/** Keys and names that look-ups by a plain object or a path would fall over. */
const hostileNames: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'length',
  '',
  ' ',
  '.',
  '..',
  '../../etc',
  '/etc/passwd',
  'C:\\x',
  'a\0b',
  'a/b',
  '\uD800',
  'é',
  'e\u0301',
  '𝒳',
  '<|endoftext|>',
  'x'.repeat(300),
  'x'.repeat(5000),
];

const hostileValue = (random: Random): Json => {
  switch (random.integer(8)) {
    case 0:
      return pick<Json>(random, [null, true, false]);
    case 1:
      return pick(random, [
        0,
        -0,
        -1,
        1,
        1.5,
        1e308,
        -1e308,
        5e-324,
        255,
        256,
        2 ** 31,
        2 ** 32,
        2 ** 53,
        1e9,
      ]);
    case 2:
    case 3:
      return pick(random, hostileNames);
    case 4:
      return [];
    case 5:
      return {};
    case 6:
      return Array.from({ length: pick(random, [1, 2, 1000]) }, () => pick<Json>(random, [0, null, 'a', []]));
    default:
      return JSON.parse(`{${JSON.stringify(pick(random, hostileNames))}:${random.integer(3)}}`) as Json;
  }
};

/** Text of a value that no program writes with `JSON.stringify`. */
const hostileText = (random: Random): string =>
  pick(random, [
    '1e999',
    '-1e999',
    '9007199254740993',
    '123456789012345678901234567890',
    '0.1e-400',
    `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
    `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
    '{"a":1,"a":2}',
    '{"__proto__":null}',
    '"\\ud800"',
    '"\\u0000"',
    'NaN',
    '[1,]',
  ]);

interface Place {
  readonly holder: Json[] | { [key: string]: Json };
  readonly key: string | number;
}

const placesOf = (root: Json, list: Place[] = []): Place[] => {
  if (Array.isArray(root)) {
    root.forEach((value, key) => {
      list.push({ holder: root, key });
      placesOf(value, list);
    });
  } else if (typeof root === 'object' && root !== null) {
    for (const key of Object.keys(root)) {
      list.push({ holder: root, key });
      placesOf(root[key] as Json, list);
    }
  }
  return list;
};

const get = ({ holder, key }: Place): Json => (holder as Record<string | number, Json>)[key] as Json;

const put = ({ holder, key }: Place, value: Json): void => {
  // Also for the key `__proto__`, as JSON.parse does it.
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
};

const rename = ({ holder, key }: Place, name: string): void => {
  if (Array.isArray(holder)) return;
  const value = holder[key as string] as Json;
  delete holder[key as string];
  put({ holder, key: name }, value);
};

/** One change of a value in place. @returns text to write where {@link MARK} stands */
const change = (root: { value: Json }, random: Random): string | undefined => {
  const places = placesOf(root as unknown as Json);
  const node = pick(random, places);
  const other = pick(random, places);
  switch (random.integer(9)) {
    case 0:
      if (Array.isArray(node.holder)) node.holder.splice(Number(node.key), 1);
      else if (node.key !== 'value' || node.holder !== (root as unknown)) delete node.holder[node.key];
      return undefined;
    case 1:
      rename(node.holder === (root as unknown) ? other : node, pick(random, hostileNames));
      if (!('value' in root)) put({ holder: root as unknown as { [key: string]: Json }, key: 'value' }, null);
      return undefined;
    case 2:
      if (Array.isArray(node.holder)) node.holder.push(structuredClone(get(node)));
      else put({ holder: node.holder, key: pick(random, hostileNames) }, structuredClone(get(node)));
      return undefined;
    case 3:
      put(node, structuredClone(get(other)));
      return undefined;
    case 4:
      put(node, MARK);
      return hostileText(random);
    case 5:
      put(node, [get(node)]);
      return undefined;
    case 6: {
      const value = get(node);
      put(
        node,
        typeof value === 'number'
          ? pick(random, [-value, value + 1, value - 1, value * 2 ** 31, value / 3, String(value)])
          : typeof value === 'string'
            ? pick(random, [
                `${value}x`,
                value.slice(1),
                value.toUpperCase(),
                value.repeat(50).slice(0, 4096),
              ])
            : hostileValue(random),
      );
      return undefined;
    }
    default:
      put(node, hostileValue(random));
      return undefined;
  }
};

/** Damages a JSON text in one place; what is no JSON stays as it is. */
export const mutateJsonText = (text: string, random: Random): string => {
  let root: { value: Json };
  try {
    root = { value: JSON.parse(text) as Json };
  } catch {
    return text;
  }
  let written: string | undefined;
  try {
    const mark = change(root, random);
    written = JSON.stringify(root.value, null, pick(random, [0, 0, 2])) ?? 'null';
    if (mark !== undefined) written = written.replace(JSON.stringify(MARK), () => mark);
  } catch (error) {
    // A text of an earlier change is too deep to be walked.
    if (!(error instanceof RangeError)) throw error;
  }
  return written ?? text;
};

/** Damages a JSON document. */
export const mutateJson: Mutator = (bytes, random) =>
  Buffer.from(mutateJsonText(Buffer.from(bytes).toString('utf8'), random));

/** Damages one line of JSON lines. */
export const mutateJsonLine: Mutator = (bytes, random) => {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  const at = random.integer(lines.length);
  lines[at] = mutateJsonText(lines[at] ?? '', random);
  return Buffer.from(lines.join('\n'));
};
