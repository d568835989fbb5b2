/** Titles and tags of drawings of the Open Clip Art Library: RDF in the metadata of their SVG. */

/** What a file says of its drawing. */
export interface DrawingMetadata {
  readonly title: string;
  readonly tags: readonly string[];
}

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  '#39': "'",
};

const plain = (text: string): string =>
  text
    .replace(/&(\w+|#39);/gu, (whole, name: string) => entities[name] ?? whole)
    .replace(/[_\s]+/gu, ' ')
    .trim();

/** UTF-8 where it is, else Latin 1, as old files have it. */
const decode = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
};

/** Reads title and tags; what is missing is empty. */
export const drawingMetadata = (svg: Uint8Array): DrawingMetadata => {
  const text = decode(svg);
  const metadata = /<metadata\b[\s\S]*?<\/metadata>/u.exec(text)?.[0] ?? '';
  const title =
    /<(?:dc:)?title\b[^>]*>([^<]*)</u.exec(metadata)?.[1] ?? /<title\b[^>]*>([^<]*)</u.exec(text)?.[1] ?? '';
  const subject = /<dc:subject>[\s\S]*?<\/dc:subject>/u.exec(metadata)?.[0] ?? '';
  const tags = [...subject.matchAll(/<rdf:li\b[^>]*>([^<]*)</gu)].map(([, tag = '']) => plain(tag));
  return {
    title: plain(title),
    tags: [...new Set(tags.map((tag) => tag.toLowerCase()))].filter((tag) => tag !== '' && tag !== 'hash'),
  };
};

/** Words that titles of other languages have and English ones do not. */
const foreign =
  /(?:^|\s)(?:di|al|alla|ai|dell|nella|nel|del|della|delle|dei|degli|con|una?|il|lo|gli|le|la|les|des|du|et|avec|sur|dans|pour|per|da|donna|uomo|incinta|und|mit|der|das|een|het|van|met|y|el|los|las|de|d'|l')(?:\s|$)/iu;
/** Endings of Italian words, which many titles of the library are. */
const foreignWord =
  /(?:zione|zioni|ello|elle|etto|etta|aggio|mento|ggi|glia|glie|cchi[oae]?|ombrelloni|sedia|finestra)$/iu;
const MAX_WORDS = 8;

/** Whether a title can be a caption: some English words, no name of a file, no number alone, no mojibake. */
export const isCaption = (title: string): boolean =>
  /[a-z]{2}/iu.test(title) &&
  title.split(' ').length <= MAX_WORDS &&
  !/^(?:untitled|clip ?art|drawing|image|picture|new document|title|unnamed)\b/iu.test(title) &&
  !/\.(?:svg|png)$|[\u00c2\u00c3\ufffd/\\]|\p{L}[^\P{L}a-z]\p{L}/iu.test(title) &&
  !foreign.test(title) &&
  !title.split(' ').some((word) => foreignWord.test(word));
