/** SVG as text: elements, escaped attributes and escaped text. Numbers are written with two decimals at most. */

/** What an attribute may hold; undefined leaves it out. */
export type AttributeValue = string | number | undefined;

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Characters that XML 1.0 does not allow even escaped. */
const FORBIDDEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

/** Text that stands for itself in XML and HTML, in content and in quoted attributes. */
export const escapeXml = (text: string): string =>
  text.replace(FORBIDDEN, '\ufffd').replace(/[&<>"']/gu, (character) => escapes[character] ?? character);

const format = (value: string | number): string =>
  typeof value === 'number' ? String(Number(value.toFixed(2))) : escapeXml(value);

/** One element; children are SVG already, see {@link text} for words. */
export const element = (
  name: string,
  attributes: Readonly<Record<string, AttributeValue>>,
  children: readonly string[] = [],
): string => {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${format(value as string | number)}"`)
    .join('');
  return children.length === 0 ? `<${name}${list}/>` : `<${name}${list}>${children.join('')}</${name}>`;
};

/** A `<title>`: browsers show it on hover, screen readers read it. */
export const hoverText = (words: string): string => `<title>${escapeXml(words)}</title>`;

/** A line of words at a place. */
export const text = (words: string, attributes: Readonly<Record<string, AttributeValue>>): string =>
  element('text', attributes, [escapeXml(words)]);

/** Path data of a polyline; points that are no numbers break the line. */
export const linePath = (points: readonly (readonly [x: number, y: number])[]): string => {
  let pen = 'M';
  let data = '';
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      pen = 'M';
      continue;
    }
    data += `${pen}${format(x)} ${format(y)}`;
    pen = 'L';
  }
  return data;
};
