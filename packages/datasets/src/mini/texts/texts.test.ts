import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placePackage } from '../../../test/support/placed-package.ts';
import { readItems } from '../../../test/support/read-items.ts';
import { bucketOf } from '../../splits/split.ts';
import { fortuneSide } from '../glue/fortune-topic.ts';
import { mailSide } from '../glue/spam.ts';
import { understandingTaskNamed } from '../glue/task-registry.ts';
import { bibleKjv } from '../sources/bible-kjv.ts';
import { bibleWeb } from '../sources/bible-web.ts';
import { fortunes } from '../sources/fortunes.ts';
import { fortunesMin } from '../sources/fortunes-min.ts';
import { spamAssassin } from '../sources/spam-assassin.ts';
import { stateOfTheUnion } from '../sources/state-of-the-union.ts';
import { parseFortunes } from './fortune-files.ts';
import { bareSubject, parseMail } from './mail.ts';
import { sentenceGroups } from './speeches.ts';
import { plainVerse, swordSlots, swordVerses, type SwordFiles } from './sword-text.ts';
import { runningTextNamed } from './text-registry.ts';
import { withoutHeldOut } from './without-held-out.ts';

/** Slots of a testament as the module has them: one block a book, an entry for each slot. */
const swordFiles = (books: readonly (readonly string[])[]): SwordFiles => {
  const blocks: Buffer[] = [];
  const blockIndex: number[] = [];
  const verseIndex = Buffer.alloc(books.flat().length * 10);
  let [at, slot] = [0, 0];
  for (const [block, slots] of books.entries()) {
    const plain = Buffer.from(slots.join(''));
    const packed = deflateSync(plain);
    blocks.push(packed);
    blockIndex.push(at, packed.length, plain.length);
    at += packed.length;
    let start = 0;
    for (const text of slots) {
      const length = Buffer.byteLength(text);
      verseIndex.writeUInt32LE(block, slot * 10);
      verseIndex.writeUInt32LE(start, slot * 10 + 4);
      verseIndex.writeUInt16LE(length, slot * 10 + 8);
      start += length;
      slot += 1;
    }
  }
  return {
    blockIndex: Buffer.from(Uint32Array.from(blockIndex).buffer),
    verseIndex,
    blocks: Buffer.concat(blocks),
  };
};

const book = (name: string, chapters: readonly (readonly string[])[]): string[] => [
  `<div canonical="true" osisID="${name}" sID="gen1" type="book"/> <title level="1">${name}</title>`,
  ...chapters.flatMap((verses, chapter) => [
    `<div sID="gen2" type="x-p"/> <chapter n="${chapter + 1}" osisID="${name}.${chapter + 1}" sID="${name}.${chapter + 1}"/> `,
    ...verses,
  ]),
];

const shared = 'Heaven and earth shall pass away: but my words shall not pass away.';
const kjv = swordFiles([
  ['', '<milestone type="x-importer"/>'],
  book('Matt', [
    ['In the <w lemma="strong:G1">beginning</w> a b c d e f.', shared],
    ['Of <note>which one</note>the second chapter, a first verse.'],
  ]),
  book('Luke', [['Held out, a first verse of many words.', shared]]),
]);
const web = swordFiles([
  ['', ''],
  book('Matt', [
    ['At first, a b c x y z w.', 'Another one of these.'],
    ['¶ Of the second chapter, one verse.'],
  ]),
  book('Luke', [['A first verse that is held out.', 'The sky and the earth will pass away.']]),
]);

const mail = (subject: string, body: string): string =>
  JSON.stringify({
    text: `From a@b.c  Thu Aug 22 12:36:23 2002\nSubject: ${subject}\nContent-Type: text/plain\n\n${body}\n`,
  });
const subjects = Array.from(
  { length: 60 },
  (_, i) =>
    `Meeting number ${'abcdefghijklmnopqrstuvwxyz'[i % 26]}${i < 26 ? '' : 'bis'}${i < 52 ? '' : 'ter'}`,
);

let root = '';
const packages = (): { cacheDirectory: string } => ({ cacheDirectory: root });
const loadText = (name: string) => runningTextNamed(name).load({ every: 1, packages: packages() });
const loadTask = (name: string) => understandingTaskNamed(name).load({ every: 1, packages: packages() });

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-texts-'));
  for (const [source, files, module] of [
    [bibleKjv, kjv, 'engKJV2006eb'],
    [bibleWeb, web, 'engWEB2015eb'],
  ] as const) {
    const folder = `usr/share/sword/modules/texts/ztext/${module}`;
    const empty = swordFiles([['']]);
    await placePackage(root, source, {
      [`${folder}/nt.bzs`]: files.blockIndex,
      [`${folder}/nt.bzv`]: files.verseIndex,
      [`${folder}/nt.bzz`]: files.blocks,
      [`${folder}/ot.bzs`]: empty.blockIndex,
      [`${folder}/ot.bzv`]: empty.verseIndex,
      [`${folder}/ot.bzz`]: empty.blocks,
    });
  }
  const topics = ['computers', 'law', 'wisdom', 'men-women'];
  await placePackage(
    root,
    fortunes,
    Object.fromEntries(
      topics.map((topic) => [
        `usr/share/games/fortunes/${topic}`,
        `${Array.from({ length: 40 }, (_, i) => `${topic} says ${'abcdefghijklmnopqrstuvwxyz'.slice(i % 26)} ${i} and more of it.\n\t\t-- A. Nonymous`).join('\n%\n')}\n%\n`,
      ]),
    ),
  );
  // Near-copies of what the other package has.
  await placePackage(root, fortunesMin, {
    'usr/share/games/fortunes/fortunes':
      'law says abcdefghijklmnopqrstuvwxyz 0, AND more of it!!\n -- A Nonymous, 1999\n%\nA fortune of its own.\n%\n',
  });
  await placePackage(root, stateOfTheUnion, {
    'data/1999_a_b_d.json': JSON.stringify({ text: 'One. Two. Three. Four. Five.' }),
    'data/2000_a_b_d.json': JSON.stringify({ text: 'Old words of a speech that are said again.' }),
    'data/2001_c_d_r.json': JSON.stringify({ text: 'New words. ' }),
    'data/2002_c_d_r.json': JSON.stringify({ text: 'Old words of a speech that are said again.' }),
  });
  await placePackage(root, spamAssassin, {
    ...Object.fromEntries(
      subjects.flatMap((subject, i) => [
        [
          `data/easy-ham-1/${String(i).padStart(5, '0')}.0a.json`,
          mail(subject, `We meet in room ${i} at noon, all of us.`),
        ],
        [
          `data/easy-ham-1/${String(100 + i)}.0b.json`,
          mail(`Re: [list] ${subject} 2`, `> quoted\nI will come to room ${i} later.`),
        ],
      ]),
    ),
    'data/spam-1/00001.0c.json': mail('WIN now', '<html><p>Buy this <b>very good</b> thing today</p></html>'),
    'data/spam-1/00002.0d.json': mail('WIN now', '<html><p>Buy this <b>very good</b> thing today</p></html>'),
  });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('texts of SWORD', () => {
  it('are verses by book and chapter, without markup and notes', () => {
    expect(swordVerses(swordSlots(kjv, 'kjv'))).toEqual([
      { book: 'Matt', id: 'Matt.1.1', text: 'In the beginning a b c d e f.' },
      { book: 'Matt', id: 'Matt.1.2', text: shared },
      { book: 'Matt', id: 'Matt.2.1', text: 'Of the second chapter, a first verse.' },
      { book: 'Luke', id: 'Luke.1.1', text: 'Held out, a first verse of many words.' },
      { book: 'Luke', id: 'Luke.1.2', text: shared },
    ]);
    expect(plainVerse('¶ And <w lemma="x">he</w>&amp;<title>T</title> <note>n <b>o</b></note>came')).toBe(
      'And he& came',
    );
  });

  it('are refused where indices do not belong to the blocks', () => {
    expect(() => swordSlots({ ...kjv, blocks: kjv.blocks.subarray(0, 20) }, 'kjv')).toThrow(
      'kjv: expected a compressed text of SWORD, got a block that ends behind the 20 bytes',
    );
    expect(() => swordSlots({ ...kjv, verseIndex: kjv.verseIndex.subarray(3) }, 'kjv')).toThrow(
      /^kjv: expected a compressed text of SWORD, got indices of 36 and \d+ bytes$/u,
    );
  });
});

describe('the Bible', () => {
  it('has the same books held out of both translations', async () => {
    for (const name of ['bible-kjv', 'bible-web']) {
      const { splits } = await readItems(await loadText(name));
      expect(splits['train']?.map(({ id }) => id)).toEqual([`${name}/Matt`]);
      expect(splits['validation']?.map(({ id }) => id)).toEqual([`${name}/Luke`]);
    }
    const { splits } = await readItems(await loadTask('verse-pairs'));
    expect(new Set(splits['test']?.map(({ extra }) => extra?.['book']))).toEqual(new Set(['Luke']));
    expect(new Set(splits['train']?.map(({ extra }) => extra?.['book']))).toEqual(new Set(['Matt']));
  });

  it('has wrong pairs that are the most similar of the same side', async () => {
    const { splits } = await readItems(await loadTask('verse-pairs'));
    const no = splits['train']?.filter(({ label }) => label === 0).map(({ texts }) => texts);
    expect(splits['train']?.filter(({ label }) => label === 1).map(({ id }) => id)).toEqual(['Matt.1.1/yes']);
    // Of Matthew's other verses one shares a word with it: "the".
    expect(no).toEqual([['In the beginning a b c d e f.', 'Of the second chapter, one verse.']]);
    // In Luke no other verse shares a word with either.
    expect(splits['test']?.map(({ id, label }) => [id, label]).sort()).toEqual([
      ['Luke.1.1/yes', 1],
      ['Luke.1.2/yes', 1],
    ]);
  });
});

describe('whole documents', () => {
  it('are held out, and training lacks what they share with it word for word', async () => {
    const [text] = await withoutHeldOut([await loadText('bible-kjv')]);
    const { splits } = await readItems(text as NonNullable<typeof text>);
    expect(splits['train']?.[0]?.texts).not.toContain(shared);
    expect(splits['validation']?.[0]?.texts).toContain(shared);
    const [speech] = await withoutHeldOut([await loadText('state-of-the-union')]);
    const speeches = await readItems(speech as NonNullable<typeof speech>);
    expect(speeches.splits['train']?.map(({ id }) => id)).toEqual(['1999_a_b_d']);
    expect(speeches.splits['validation']?.map(({ id }) => id)).toEqual(['2001_c_d_r', '2002_c_d_r']);
    expect(speeches.faults.map(({ id, code }) => [id, code])).toEqual([
      ['2000_a_b_d', 'shared-with-validation'],
    ]);
  });

  it('have sentences in groups', () => {
    expect(sentenceGroups('One. Two! “Three?” Four. Five of 3.5 parts. Six', 2)).toEqual([
      'One. Two!',
      '“Three?” Four.',
      'Five of 3.5 parts. Six',
    ]);
  });
});

describe('fortunes', () => {
  it('are items without overstriking', () => {
    expect(parseFortunes('_\bu_\bn two\n\tthree\n%\n\n%\nfour\n%\n')).toEqual(['un two three', 'four']);
  });

  it('have no near-copies, no rude files, and one side for topics and text', async () => {
    const { splits } = await readItems(await loadText('fortunes'));
    const ids = Object.values(splits)
      .flat()
      .map(({ id }) => id);
    expect(ids.filter((id) => id.startsWith('fortunes/fortunes/'))).toEqual(['fortunes/fortunes/0001']);
    expect(ids.some((id) => id.includes('men-women'))).toBe(false);
    const { splits: topics } = await readItems(await loadTask('fortune-topic'));
    const tested = topics['test'] ?? [];
    expect(tested.length).toBeGreaterThan(4);
    const training = new Set(splits['train']?.map(({ texts }) => texts?.[0]));
    expect(tested.filter(({ texts }) => training.has(texts?.[0]))).toEqual([]);
    // The file of wisdom is whole on the other side.
    expect(splits['train']?.some(({ id }) => id.includes('wisdom'))).toBe(false);
    expect(fortuneSide({ id: 'x', topic: 'wisdom', text: 'x' })).toBe('train');
  });
});

describe('mails', () => {
  it('are words without quotes, signatures, markup and encodings', () => {
    const parsed = parseMail(
      'Subject: Re: [zzz] Fwd: Some\n thing 3\nContent-Type: multipart/alternative; boundary="b"\n\n--b\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<p>Four =\nfine words here</p>> quoted words of another one\n-- \nmy signature has four words\n--b--\n',
    );
    expect(parsed).toEqual({
      subject: 'Some thing 3',
      stem: 'something',
      paragraphs: ['Four fine words here > quoted words of another one'],
    });
    expect(bareSubject('RE: AW: [a b] re[2]: x')).toBe('x');
    expect(parseMail('Subject: x\nContent-Type: image/png\n\nabc def ghi jkl').paragraphs).toEqual([]);
  });

  it('of one subject are on one side, in the task and in running text; equal bodies are one mail', async () => {
    const { splits } = await readItems(await loadTask('spam'));
    const sides = new Map<string, Set<string>>();
    for (const [split, samples] of Object.entries(splits)) {
      for (const { extra } of samples) {
        const subject = extra?.['thread'] ?? '';
        sides.set(subject, (sides.get(subject) ?? new Set()).add(split));
      }
    }
    expect([...sides.values()].every(({ size }) => size === 1)).toBe(true);
    expect(splits['test']?.length).toBeGreaterThan(4);
    expect(
      Object.values(splits)
        .flat()
        .filter(({ label }) => label === 1),
    ).toHaveLength(1);
    const text = await readItems(await loadText('mails'));
    const tested = new Set(splits['test']?.map(({ id }) => id));
    expect(text.splits['train']?.some(({ id }) => tested.has(id))).toBe(false);
    expect(text.splits['train']?.length).toBeGreaterThan(50);
    expect(mailSide({ stem: '', id: 'a' })).toBe(
      bucketOf('a') < 20 ? 'test' : mailSide({ stem: 'a', id: 'b' }),
    );
  });
});
