/**
 * A list of texts in one cell of a table, as JSON writes it (`["a", "b"]`, the captions of Flickr30k on the hub) or as
 * Python does (`['a', "it's"]`), which pandas puts into tables for columns of lists.
 */

/** Texts of a list, each in quotes of one of the two kinds, with escapes by `\\`. */
const item = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*(,|$)/suy;

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

const unescaped = (text: string): string =>
  text.replace(
    /\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/gsu,
    (_, unit?: string, byte?: string, sign?: string) => {
      const code = unit ?? byte;
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
      return escapes[sign ?? ''] ?? sign ?? '';
    },
  );

/** The texts that are not blank of a cell that is such a list as a whole; undefined for any other cell. */
export const listOfCell = (cell: string): readonly string[] | undefined => {
  if (!/^\[\s*["']/u.test(cell) || !cell.endsWith(']')) return undefined;
  const inner = cell.slice(1, -1);
  const texts: string[] = [];
  item.lastIndex = 0;
  let end = '';
  while (item.lastIndex < inner.length || end === ',') {
    const match = item.exec(inner);
    // Python writes a comma behind the last one nowhere but in source text.
    if (!match) return undefined;
    end = match[3] ?? '';
    const text = unescaped(match[1] ?? match[2] ?? '').trim();
    if (text !== '') texts.push(text);
    if (end === '') break;
  }
  return texts.length > 0 && end === '' ? texts : undefined;
};
