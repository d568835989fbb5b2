/**
 * Stems of English words by the second Porter algorithm ("Porter2", M. F. Porter, snowballstem.org), as METEOR 1.5 uses
 * it. Words are lower-case.
 *
 * R1 is what follows the first consonant after a vowel, R2 the same within R1; a suffix is taken only where its region
 * allows. Of several suffixes of a step that fit, the longest alone is looked at.
 */

const isVowel = (letter: string | undefined): boolean => letter !== undefined && 'aeiouy'.includes(letter);
const hasVowel = (text: string): boolean => /[aeiouy]/u.test(text);

/** Whole words that the rules would spoil. */
const irregular: ReadonlyMap<string, string> = new Map(
  Object.entries({
    skis: 'ski',
    skies: 'sky',
    dying: 'die',
    lying: 'lie',
    tying: 'tie',
    idly: 'idl',
    gently: 'gentl',
    ugly: 'ugli',
    early: 'earli',
    only: 'onli',
    singly: 'singl',
  }),
);
const invariant: ReadonlySet<string> = new Set('sky news howe atlas cosmos bias andes'.split(' '));
/** Words that are done once plural endings are off. */
const doneEarly: ReadonlySet<string> = new Set(
  'inning outing canning herring earring proceed exceed succeed'.split(' '),
);

/** Where the region begins: behind the first consonant that follows a vowel. */
const regionFrom = (word: string, start: number): number => {
  for (let i = start + 1; i < word.length; i += 1) {
    if (!isVowel(word[i]) && isVowel(word[i - 1])) return i + 1;
  }
  return word.length;
};

interface Regions {
  readonly r1: number;
  readonly r2: number;
}

const regionsOf = (word: string): Regions => {
  const prefix = /^(?:gener|commun|arsen)/u.exec(word);
  const r1 = prefix ? prefix[0].length : regionFrom(word, 0);
  return { r1, r2: regionFrom(word, r1) };
};

/** Whether the word ends in a short syllable. */
const endsShort = (word: string): boolean => {
  const [third, second, last] = [word.at(-3), word.at(-2), word.at(-1)];
  if (!isVowel(second) || last === undefined || isVowel(last)) return false;
  if (word.length === 2) return true;
  return !isVowel(third) && !'wxY'.includes(last);
};

/** The longest of the suffixes, which stand longest first, that the word ends in. */
const suffixOf = (word: string, suffixes: readonly string[]): string | undefined =>
  suffixes.find((suffix) => word.endsWith(suffix));

const byLength = (text: string): readonly string[] => text.split(' ').sort((a, b) => b.length - a.length);

const withoutPlural = (word: string): string => {
  const base = word.replace(/'s?'?$/u, '');
  if (base.endsWith('sses')) return base.slice(0, -2);
  if (/ie[ds]$/u.test(base)) return base.length > 4 ? base.slice(0, -2) : base.slice(0, -1);
  if (/[us]s$/u.test(base) || !base.endsWith('s')) return base;
  return hasVowel(base.slice(0, -2)) ? base.slice(0, -1) : base;
};

const doubled = /(?:bb|dd|ff|gg|mm|nn|pp|rr|tt)$/u;

const withoutPast = (word: string, { r1 }: Regions): string => {
  const suffix = suffixOf(word, ['eedly', 'ingly', 'edly', 'eed', 'ing', 'ed']);
  if (suffix === undefined) return word;
  const base = word.slice(0, -suffix.length);
  if (suffix.startsWith('eed')) return base.length >= r1 ? `${base}ee` : word;
  if (!hasVowel(base)) return word;
  if (/(?:at|bl|iz)$/u.test(base)) return `${base}e`;
  if (doubled.test(base)) return base.slice(0, -1);
  return r1 >= base.length && endsShort(base) ? `${base}e` : base;
};

const yToI = (word: string): string =>
  /[yY]$/u.test(word) && word.length > 2 && !isVowel(word.at(-2)) ? `${word.slice(0, -1)}i` : word;

/** Suffixes and what stands for them. */
type Endings = Readonly<Record<string, string>>;

const derived: Endings = {
  tional: 'tion',
  enci: 'ence',
  anci: 'ance',
  abli: 'able',
  entli: 'ent',
  izer: 'ize',
  ization: 'ize',
  ational: 'ate',
  ation: 'ate',
  ator: 'ate',
  alism: 'al',
  aliti: 'al',
  alli: 'al',
  fulness: 'ful',
  ousli: 'ous',
  ousness: 'ous',
  iveness: 'ive',
  iviti: 'ive',
  biliti: 'ble',
  bli: 'ble',
  ogi: 'og',
  fulli: 'ful',
  lessli: 'less',
  li: '',
};
const derivedSuffixes = byLength(Object.keys(derived).join(' '));

const withoutDerived = (word: string, { r1 }: Regions): string => {
  const suffix = suffixOf(word, derivedSuffixes);
  if (suffix === undefined) return word;
  const base = word.slice(0, -suffix.length);
  if (base.length < r1) return word;
  if (suffix === 'ogi' && !base.endsWith('l')) return word;
  if (suffix === 'li' && !/[cdeghkmnrt]$/u.test(base)) return word;
  return base + (derived[suffix] ?? '');
};

const shortened: Endings = {
  tional: 'tion',
  ational: 'ate',
  alize: 'al',
  icate: 'ic',
  iciti: 'ic',
  ical: 'ic',
  ful: '',
  ness: '',
  ative: '',
};
const shortenedSuffixes = byLength(Object.keys(shortened).join(' '));

const withoutShortened = (word: string, { r1, r2 }: Regions): string => {
  const suffix = suffixOf(word, shortenedSuffixes);
  if (suffix === undefined) return word;
  const base = word.slice(0, -suffix.length);
  if (base.length < (suffix === 'ative' ? Math.max(r1, r2) : r1)) return word;
  return base + (shortened[suffix] ?? '');
};

const removed = byLength('al ance ence er ic able ible ant ement ment ent ism ate iti ous ive ize ion');

const withoutRemoved = (word: string, { r2 }: Regions): string => {
  const suffix = suffixOf(word, removed);
  if (suffix === undefined) return word;
  const base = word.slice(0, -suffix.length);
  if (base.length < r2 || (suffix === 'ion' && !/[st]$/u.test(base))) return word;
  return base;
};

const withoutLast = (word: string, { r1, r2 }: Regions): string => {
  const base = word.slice(0, -1);
  if (word.endsWith('e') && (base.length >= r2 || (base.length >= r1 && !endsShort(base)))) return base;
  return word.endsWith('ll') && base.length >= r2 ? base : word;
};

/** The stem of a lower-case English word. */
export const englishStem = (word: string): string => {
  const special = irregular.get(word);
  if (special !== undefined) return special;
  if (invariant.has(word) || word.length <= 2) return word;
  // A y that is a consonant is written Y.
  const plain = word
    .replace(/^'/u, '')
    .replace(/^y/u, 'Y')
    .replaceAll(/(?<=[aeiouy])y/gu, 'Y');
  const regions = regionsOf(plain);
  const singular = withoutPlural(plain);
  if (doneEarly.has(singular)) return singular;
  let stem = yToI(withoutPast(singular, regions));
  for (const step of [withoutDerived, withoutShortened, withoutRemoved, withoutLast])
    stem = step(stem, regions);
  return stem.replaceAll('Y', 'y');
};
