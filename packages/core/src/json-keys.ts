/** Keys that a JSON text says twice: `JSON.parse` keeps the last and says nothing. */

/**
 * The first key that stands twice in one object of a valid JSON text, as decoded; undefined where there is none.
 * Two spellings of one key (`"a"`, `"\u0061"`) are the same key.
 */
export const repeatedKey = (text: string): string | undefined => {
  // One entry for each open bracket: the keys of an object, nothing for a list.
  const open: (Set<string> | undefined)[] = [];
  let atKey = false;
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (c === '{') {
      open.push(new Set());
      atKey = true;
    } else if (c === '[') {
      open.push(undefined);
      atKey = false;
    } else if (c === '}' || c === ']') {
      open.pop();
      atKey = false;
    } else if (c === ',') atKey = open.at(-1) !== undefined;
    else if (c === '"') {
      const start = i;
      for (i += 1; i < text.length && text[i] !== '"'; i += 1) if (text[i] === '\\') i += 1;
      if (!atKey) continue;
      atKey = false;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
};
