/** What the members of one key of an archive are: the image, the texts, the label. */
import { excerpt, FormatError, overBudget, parseJson } from '@polygate/core';
import { captionsOfJson, firstField, isJsonFields, type CaptionProblem } from '../samples/json-captions.ts';
import { imageExtensions } from '../files/paths.ts';
import { fault, type ReaderItem } from '../samples/sample.ts';
import type { TarEntry } from '../archives/tar.ts';

/**
 * WebDataset's own rule: `images/0001.left.jpg` has key `images/0001` and part `left.jpg`, since the first dot of the
 * last name counts. Without a dot a file belongs to no sample.
 */
export const splitName = (path: string): { key: string; part: string } | undefined => {
  const plain = path.replace(/^(?:\.\/)+/u, '');
  const slash = plain.lastIndexOf('/') + 1;
  const dot = plain.indexOf('.', slash);
  return dot < 0 ? undefined : { key: plain.slice(0, dot), part: plain.slice(dot + 1).toLowerCase() };
};

/** Most members of one sample. */
export const MAX_MEMBERS = 32;

/** What the members of one sample may be. */
export interface MemberRules {
  /** Member that is the image. @default the one that is just `jpg`, `png` or the like */
  readonly image?: string;
  /** Member that holds the captions. @default `txt`, `text`, `caption` or `json` */
  readonly text?: string;
  readonly classes?: readonly string[];
  readonly labelOf?: (value: unknown) => number | undefined;
  /** Most bytes of a member. */
  readonly memberBytes: number;
  /** Most bytes of a member that is text. */
  readonly textBytes: number;
}

type Members = ReadonlyMap<string, Uint8Array>;
type Texts = readonly string[] | CaptionProblem;

const plainParts = ['txt', 'text', 'caption'] as const;
const imageParts: ReadonlySet<string> = new Set(imageExtensions.map((extension) => extension.slice(1)));

const imageOf = (members: Members, asked: string | undefined): string | undefined =>
  asked === undefined
    ? [...members.keys()].find((part) => imageParts.has(part))
    : members.has(asked.toLowerCase())
      ? asked.toLowerCase()
      : undefined;

const utf8 = new TextDecoder('utf-8', { fatal: true });

const jsonOf = (members: Members): unknown => {
  const bytes = members.get('json');
  return bytes && parseJson(bytes, 'the member .json', { nonFinite: 'null' });
};

const textsOf = (members: Members, { text: asked, textBytes }: MemberRules): Texts => {
  const part = asked?.toLowerCase() ?? [...plainParts, 'json'].find((name) => members.has(name));
  const bytes = part === undefined ? undefined : members.get(part);
  if (part === undefined || !bytes) return [];
  if (bytes.length > textBytes)
    return { code: 'text-too-long', reason: `.${part}: ${overBudget('textBytes', textBytes, bytes.length)}` };
  try {
    if (/(?:^|\.)json$/u.test(part)) {
      const texts = captionsOfJson(parseJson(bytes, `the member .${part}`, { nonFinite: 'null' }));
      // Beside an image with its class a .json is often mere metadata.
      return 'code' in texts && texts.code === 'no-caption' ? [] : texts;
    }
    const text = utf8.decode(bytes).trim();
    return text === '' ? { code: 'empty-caption', reason: 'expected a caption, got an empty text' } : [text];
  } catch (error) {
    const reason =
      error instanceof FormatError ? error.message : `expected UTF-8 text in .${part}, got other bytes`;
    return { code: 'bad-text', reason };
  }
};

/** The label of a sample: its `.cls`, else the label of its `.json`. */
export const labelOf = (members: Members): unknown => {
  const cls = members.get('cls');
  if (cls) return Buffer.from(cls).toString('utf8').trim();
  try {
    const row = jsonOf(members);
    return isJsonFields(row) ? firstField(row, ['label', 'class', 'category', 'cls']) : undefined;
  } catch {
    return undefined;
  }
};

/** Contents by part of the name; of parts that repeat, the last. */
export const membersOf = (entries: readonly TarEntry[]): Map<string, Uint8Array> =>
  new Map(entries.map((entry) => [splitName(entry.path)?.part ?? '', entry.body ?? new Uint8Array(0)]));

/** The sample that the members of one key make. */
export const assemble = (id: string, entries: readonly TarEntry[], rules: MemberRules): ReaderItem => {
  if (entries.length > MAX_MEMBERS) {
    const names = entries.slice(0, 3).map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
    return fault(
      id,
      'too-many-members',
      `expected at most ${MAX_MEMBERS} members of one key, got more (${names.join(', ')}, ...): a key ends at the first dot of the name, so names of samples hold none`,
    );
  }
  const problem = entries.find((entry) => entry.problem)?.problem;
  if (problem) return fault(id, problem.code, problem.reason);
  const large = entries.find((entry) => entry.body === undefined);
  if (large)
    return fault(
      id,
      'entry-too-large',
      `${large.path}: ${overBudget('memberBytes', rules.memberBytes, large.size)}`,
    );
  const members = membersOf(entries);
  if (members.size < entries.length) {
    const parts = entries.map((entry) => splitName(entry.path)?.part ?? '');
    const twice = parts.find((part, index) => parts.indexOf(part) !== index) ?? '';
    return fault(
      id,
      'repeated-member',
      `expected members of different kinds, got ".${twice}" twice under one key`,
    );
  }
  const part = imageOf(members, rules.image);
  const texts = textsOf(members, rules);
  if ('code' in texts) return fault(id, texts.code, texts.reason);
  const value = labelOf(members);
  const label = rules.labelOf?.(value);
  if (rules.classes && value !== undefined && label === undefined) {
    return fault(
      id,
      'unknown-label',
      `expected a class name or an index below ${rules.classes.length}, got ${excerpt(value)}`,
    );
  }
  const bytes = part === undefined ? undefined : members.get(part);
  const like = [...members.keys()].find((name) => imageParts.has(name.slice(name.lastIndexOf('.') + 1)));
  if (!bytes && (like !== undefined || rules.image !== undefined)) {
    const wanted = rules.image === undefined ? 'an image (jpg, png ...)' : `a member "${rules.image}"`;
    const remedy = like === undefined ? '' : `; set image to "${like}" if that is the image`;
    const got = [...members.keys()].slice(0, 8).join(', ');
    return fault(id, 'no-image', `expected ${wanted}, got ${got}${remedy}`);
  }
  if (!bytes && texts.length === 0) return fault(id, 'empty-row', 'expected an image or a text, got neither');
  return {
    kind: 'sample',
    id,
    ...(bytes ? { image: { kind: 'bytes', bytes } } : {}),
    ...(texts.length > 0 ? { texts } : {}),
    ...(label === undefined ? {} : { label }),
  };
};
