/**
 * Texts of the SWORD project in its compressed form (zText): an index of blocks (offset, size, unpacked size), an index of
 * verses (block, offset, length) and blocks of zlib. Slots that open a chapter say so in their markup (OSIS), so that no
 * table of how many verses a chapter has is needed: the slots behind it are its verses.
 * Source of the format: SWORD's zVerse and zText; of the markup: the OSIS manual, "Milestones".
 */
import { inflateSync } from 'node:zlib';
import { FormatError } from '@polygate/core';

const BLOCK_ENTRY = 12;
const VERSE_ENTRY = 10;
/** Most bytes of an unpacked block: a book. */
const MAX_BLOCK_BYTES = 64 << 20;

/** One verse as plain text. */
export interface Verse {
  /** As OSIS calls it: `Luke`. */
  readonly book: string;
  /** `Luke.2.1`. */
  readonly id: string;
  readonly text: string;
}

/** The three files of one testament. */
export interface SwordFiles {
  readonly blockIndex: Uint8Array;
  readonly verseIndex: Uint8Array;
  readonly blocks: Uint8Array;
}

/** The words of a verse without markup, notes and titles. */
export const plainVerse = (markup: string): string =>
  markup
    .replace(/<note\b[\s\S]*?<\/note>/gu, '')
    .replace(/<title\b[\s\S]*?<\/title>/gu, '')
    .replace(/<[^>]+>/gu, '')
    .replaceAll('¶', '')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replace(/\s+/gu, ' ')
    .trim();

/** The markup of all slots of a testament. @throws FormatError for files that do not belong together */
export const swordSlots = (
  { blockIndex, verseIndex, blocks }: SwordFiles,
  name: string,
): readonly string[] => {
  const fail = (problem: string): FormatError =>
    new FormatError(`${name}: expected a compressed text of SWORD, got ${problem}`, { code: 'sword-text' });
  if (blockIndex.length % BLOCK_ENTRY !== 0 || verseIndex.length % VERSE_ENTRY !== 0)
    throw fail(`indices of ${blockIndex.length} and ${verseIndex.length} bytes`);
  const blockView = new DataView(blockIndex.buffer, blockIndex.byteOffset, blockIndex.length);
  const books: Buffer[] = [];
  for (let at = 0; at < blockIndex.length; at += BLOCK_ENTRY) {
    const [start, size] = [blockView.getUint32(at, true), blockView.getUint32(at + 4, true)];
    if (start + size > blocks.length) throw fail(`a block that ends behind the ${blocks.length} bytes`);
    const packed = blocks.subarray(start, start + size);
    books.push(size === 0 ? Buffer.alloc(0) : inflateSync(packed, { maxOutputLength: MAX_BLOCK_BYTES }));
  }
  const verseView = new DataView(verseIndex.buffer, verseIndex.byteOffset, verseIndex.length);
  const slots: string[] = [];
  for (let at = 0; at < verseIndex.length; at += VERSE_ENTRY) {
    const length = verseView.getUint16(at + 8, true);
    const book = books[verseView.getUint32(at, true)];
    const start = verseView.getUint32(at + 4, true);
    slots.push(length === 0 || !book ? '' : book.subarray(start, start + length).toString('utf8'));
  }
  return slots;
};

/** The verses of a testament in order; slots without words are passed over. */
export const swordVerses = (slots: readonly string[]): readonly Verse[] => {
  const verses: Verse[] = [];
  let verse: { readonly book: string; readonly chapter: string; verse: number } | undefined;
  for (const slot of slots) {
    const [, book, chapter] = /<chapter\b[^>]*\bosisID="(\w+)\.(\d+)"[^>]*\bsID=/u.exec(slot) ?? [];
    if (book !== undefined && chapter !== undefined) {
      verse = { book, chapter, verse: 0 };
      continue;
    }
    // Headings of books stand between the last verse of one and the first chapter of the next.
    if (/<div\b[^>]*\btype="book"[^>]*>/u.test(slot)) verse = undefined;
    if (!verse) continue;
    verse.verse += 1;
    const text = plainVerse(slot);
    if (text !== '')
      verses.push({ book: verse.book, id: `${verse.book}.${verse.chapter}.${verse.verse}`, text });
  }
  return verses;
};
