/**
 * Mails as they were sent: headers, an empty line, a body of one or several parts (RFC 5322, RFC 2045). What is read is the
 * subject and the plain words: quotes, markup, signatures and encodings are taken off.
 */
import { parseJson } from '@polygate/core';
import type { PackageOptions } from '../fetch/package-files.ts';
import { openSource } from '../packages.ts';
import { spamAssassin } from '../sources/spam-assassin.ts';

/** One mail. */
export interface Mail {
  readonly id: string;
  readonly isSpam: boolean;
  /** Without prefixes such as `Re:` and `[list]`. */
  readonly subject: string;
  /** In small letters without digits and signs: what follow-ups share. */
  readonly stem: string;
  readonly paragraphs: readonly string[];
}

const headerOf = (head: string, name: string): string =>
  new RegExp(`^${name}:[ \\t]*(.*)$`, 'imu').exec(head)?.[1]?.trim() ?? '';

const splitHead = (text: string): { readonly head: string; readonly body: string } => {
  const end = /\r?\n\r?\n/u.exec(text);
  // Headers go on in lines that begin with white space.
  const head = (end ? text.slice(0, end.index) : text).replace(/\r?\n[ \t]+/gu, ' ');
  return { head, body: end ? text.slice(end.index + end[0].length) : '' };
};

const decodeQuoted = (body: string): string =>
  body
    .replace(/=\r?\n/gu, '')
    .replace(/=([0-9A-F]{2})/giu, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/** Parts within parts. */
const MAX_DEPTH = 4;

/** The words of a message or part: plain text where there is any, else markup. Undefined for what is not text. */
const textOf = (text: string, depth = 0): string | undefined => {
  const { head, body } = splitHead(text);
  const type = headerOf(head, 'content-type').toLowerCase();
  const boundary = /boundary="?([^";]+)"?/iu.exec(headerOf(head, 'content-type'))?.[1];
  if (type.startsWith('multipart/') && boundary !== undefined && depth < MAX_DEPTH) {
    const parts = body
      .split(`--${boundary}`)
      .slice(1)
      .map((part) => textOf(part.replace(/^\r?\n/u, ''), depth + 1));
    return parts.find((part) => part !== undefined && part.trim() !== '');
  }
  if (type !== '' && !type.startsWith('text/')) return undefined;
  const encoding = headerOf(head, 'content-transfer-encoding').toLowerCase();
  const decoded =
    encoding === 'base64'
      ? Buffer.from(body, 'base64').toString('latin1')
      : encoding === 'quoted-printable'
        ? decodeQuoted(body)
        : body;
  return /^text\/html/u.test(type) || /<html\b/iu.test(decoded)
    ? decoded
        .replace(/<(?:style|script)\b[\s\S]*?<\/(?:style|script)>/giu, ' ')
        .replace(/<(?:p|br|div|tr|h\d)\b[^>]*>/giu, '\n\n')
        .replace(/<[^>]*>/gu, ' ')
        .replace(/&nbsp;/gu, ' ')
        .replace(/&(?:amp|#38);/gu, '&')
        .replace(/&(?:lt|gt|quot);/gu, ' ')
    : decoded;
};

/** Paragraphs of at least a few words, without quotes and what follows a signature's line. */
const paragraphsOf = (body: string): string[] =>
  (body.split(/^-- ?\r?$/mu)[0] ?? '')
    .split(/\r?\n/u)
    .filter((line) => !/^\s*[>|]|^On .* wrote:\s*$|^_{5,}|^-{5,}|^={5,}/u.test(line))
    .join('\n')
    .split(/\n\s*\n/u)
    .map((paragraph) => paragraph.replace(/[\s\u00a0]+/gu, ' ').trim())
    .filter((paragraph) => (paragraph.match(/\p{L}{2,}/gu)?.length ?? 0) >= 4);

/** The subject without what replies and lists put in front. */
export const bareSubject = (subject: string): string =>
  subject.replace(/^(?:\s*(?:(?:re|fwd?|aw|sv)(?:\[\d+\])?:|\[[^\]]*\]))+/iu, '').trim();

/** Reads one mail. */
export const parseMail = (text: string): Omit<Mail, 'id' | 'isSpam'> => {
  const { head } = splitHead(text);
  const subject = bareSubject(headerOf(head, 'subject'));
  return {
    subject,
    stem: subject.toLowerCase().replace(/[^\p{L}]/gu, ''),
    paragraphs: paragraphsOf(textOf(text) ?? ''),
  };
};

/** All mails with words; of those with equal bodies the first. */
export const loadMails = async (packages: PackageOptions = {}): Promise<readonly Mail[]> => {
  const files = await openSource(spamAssassin, packages);
  const mails: Mail[] = [];
  const seen = new Set<string>();
  for (const path of files.paths) {
    if (!path.endsWith('.json')) continue;
    const { text } = parseJson(await files.read(path), path) as { readonly text?: unknown };
    if (typeof text !== 'string') continue;
    const mail = parseMail(text);
    const key = mail.paragraphs.join(' ').toLowerCase();
    if (mail.paragraphs.length === 0 || seen.has(key)) continue;
    seen.add(key);
    const id = path.replace(/^data\/|\.[0-9a-f]+\.json$/gu, '');
    mails.push({ ...mail, id, isSpam: id.startsWith('spam') });
  }
  return mails;
};
