/**
 * Emoji of several vendors: one image per concept and vendor, with name, keywords and group (Unicode CLDR through
 * emojibase). Flags, components and skin tones are left out.
 *
 * The split is by concept, which is the first code point of the sequence: variants of gender, role and skin tone stay
 * together. Man, woman and person (and their young and old forms) count as one concept, since "man cook" and
 * "woman cook" are near-duplicates of "cook". One vendor is held out of training altogether:
 *   train            training vendors · seen concepts
 *   validation       training vendors · a few concepts put aside for use during training
 *   unseen-concepts  training vendors · held-out concepts
 *   unseen-vendor    held-out vendor · exactly the concepts of `train`
 *   unseen-both      held-out vendor · concepts that `train` lacks
 */
import { ConfigError, FormatError, unknownName } from '@polygate/core';
import { fault, type Reader, type ReaderItem, type Sample } from '../samples/sample.ts';
import { bucketOf } from '../splits/split.ts';
import {
  type EmojiDrawings,
  type EmojiVendor,
  emojiVendors,
  usualVendors,
  vendors as allVendors,
} from './emoji-vendor.ts';
import { openSource, type PackageOptions } from './packages.ts';
import { emojibase } from './sources/emojibase.ts';

/** In place of a vendor where none is held out. */
const NO_VENDOR = 'none';

/** Splits of the emoji datasets, in the order in which they are written. */
export const emojiSplits = [
  'train',
  'validation',
  'unseen-concepts',
  'unseen-vendor',
  'unseen-both',
] as const;
export type EmojiSplit = (typeof emojiSplits)[number];

export interface EmojiOptions {
  /** @default the four of the small tier */
  readonly vendors?: readonly string[];
  /** Vendor of the `unseen-*` vendor splits, or `none`. @default 'openmoji' */
  readonly heldOutVendor?: string;
  /** Percentage of concepts in `unseen-concepts`. @default 15 */
  readonly unseenPercent?: number;
  /** Percentage of the other concepts in `validation`. @default 3 */
  readonly validationPercent?: number;
  /** Percentage of concepts that are used at all, for fast tests. @default 100 */
  readonly keepPercent?: number;
  /** Caption variants made of keywords, beside the name. @default 2 */
  readonly keywordCaptions?: number;
  /** Side in pixels at which the drawings are rasterised. @default 48 */
  readonly size?: number;
}

/** What one emoji is, without a drawing. */
export interface EmojiConcept {
  /** The sequence as in emojibase, e.g. `1F9D1-200D-1F373`. */
  readonly hexcode: string;
  /** Key of the split. */
  readonly concept: string;
  readonly label: string;
  readonly keywords: readonly string[];
  /** Index into the classes. */
  readonly group: number;
  readonly side: 'train' | 'validation' | 'unseen';
}

/** The emoji data with its reader. */
export interface EmojiSet {
  readonly concepts: readonly EmojiConcept[];
  /** Reader of all images of all splits; texts are captions, labels are groups. */
  readonly reader: Reader;
  /** The split of one of the reader's samples. */
  splitOf(sample: Sample): EmojiSplit;
}

/** One concept under three genders: its neutral form stands for all. */
const neutral: Readonly<Record<string, string>> = {
  '1F468': '1F9D1',
  '1F469': '1F9D1',
  '1F466': '1F9D2',
  '1F467': '1F9D2',
  '1F474': '1F9D3',
  '1F475': '1F9D3',
};

/** The concept of a code point sequence: its first code point, gender made neutral. */
export const conceptOf = (hexcode: string): string => {
  const first = hexcode.toUpperCase().split('-')[0] ?? '';
  return neutral[first] ?? first;
};

const componentGroup = 'component';
const flagGroup = 'flags';

interface RawEmoji {
  readonly hexcode: string;
  readonly label: string;
  readonly group?: number;
  readonly tags?: readonly string[];
}

interface RawMessages {
  readonly groups: readonly { readonly key: string; readonly message: string; readonly order: number }[];
}

const sideOf = (concept: string, options: EmojiOptions): EmojiConcept['side'] => {
  if (bucketOf(concept) < (options.unseenPercent ?? 15)) return 'unseen';
  return bucketOf(`validation/${concept}`) < (options.validationPercent ?? 3) ? 'validation' : 'train';
};

const loadConcepts = async (
  options: EmojiOptions,
  packages: PackageOptions,
): Promise<{ concepts: EmojiConcept[]; classes: string[] }> => {
  const files = await openSource(emojibase, packages);
  const emoji = JSON.parse((await files.read('en/data.json')).toString('utf8')) as readonly RawEmoji[];
  const messages = JSON.parse((await files.read('en/messages.json')).toString('utf8')) as RawMessages;
  const groups = messages.groups
    .filter(({ key }) => key !== componentGroup && key !== flagGroup)
    .sort((a, b) => a.order - b.order);
  const concepts: EmojiConcept[] = [];
  for (const entry of emoji) {
    const group = groups.findIndex(({ order }) => order === entry.group);
    if (group < 0) continue;
    const concept = conceptOf(entry.hexcode);
    if (bucketOf(`keep/${concept}`) >= (options.keepPercent ?? 100)) continue;
    concepts.push({
      hexcode: entry.hexcode,
      concept,
      label: entry.label,
      keywords: entry.tags ?? [],
      group,
      side: sideOf(concept, options),
    });
  }
  return { concepts, classes: groups.map(({ message }) => message) };
};

/** Keywords of one caption variant. */
const KEYWORDS_PER_CAPTION = 3;
/** Caption variants made of keywords, unless the options say otherwise. */
const KEYWORD_CAPTIONS = 2;

export interface CaptionOptions {
  /** Names that keywords must not be, in lower case: those of held-out concepts. @default none */
  readonly forbidden?: ReadonlySet<string>;
  /** Most captions made of keywords. @default 2 */
  readonly keywordCaptions?: number;
}

/**
 * Captions of an emoji: its name first, then lists of up to three keywords. With `forbidden` names left out of the
 * keywords a training caption never names what is tested.
 */
export const emojiCaptions = (
  emoji: Pick<EmojiConcept, 'label' | 'keywords'>,
  options: CaptionOptions = {},
): string[] => {
  const { forbidden, keywordCaptions = KEYWORD_CAPTIONS } = options;
  const label = emoji.label.toLowerCase();
  const keywords = emoji.keywords.filter(
    (word) => word.toLowerCase() !== label && !forbidden?.has(word.toLowerCase()),
  );
  const captions = [emoji.label];
  for (let i = 0; i < keywordCaptions; i += 1) {
    const part = keywords.slice(i * KEYWORDS_PER_CAPTION, (i + 1) * KEYWORDS_PER_CAPTION);
    if (part.length > 0) captions.push(part.join(', '));
  }
  return captions;
};

const parseVendors = (options: EmojiOptions): { vendors: EmojiVendor[]; heldOut: string } => {
  const vendors = (options.vendors ?? usualVendors).map((name) => {
    const vendor = allVendors.find((each) => each.name === name);
    if (!vendor) throw unknownName('emoji vendor', name, emojiVendors);
    return vendor;
  });
  const heldOut = options.heldOutVendor ?? 'openmoji';
  if (heldOut !== NO_VENDOR && !emojiVendors.includes(heldOut))
    throw unknownName('emoji vendor', heldOut, emojiVendors);
  if (!vendors.some(({ name }) => name !== heldOut)) {
    throw new ConfigError(
      `emoji: expected at least one vendor besides the held-out "${heldOut}", got ${vendors.map(({ name }) => name).join(', ') || 'none'}; add one of ${emojiVendors.filter((vendor) => vendor !== heldOut).join(', ')}`,
    );
  }
  return { vendors, heldOut };
};

/** Loads the emoji of all vendors. @throws ConfigError for unknown vendors, FormatError for other package content */
export const loadEmoji = async (
  options: EmojiOptions = {},
  packages: PackageOptions = {},
): Promise<EmojiSet> => {
  const { vendors, heldOut } = parseVendors(options);
  const { concepts, classes } = await loadConcepts(options, packages);
  if (concepts.length === 0) {
    throw new FormatError('emoji: expected concepts, got none; raise keepPercent', { code: 'emoji-empty' });
  }
  const size = options.size ?? 48;
  const sets: { vendor: string; drawings: EmojiDrawings }[] = [];
  for (const { name, source, open } of vendors)
    sets.push({ vendor: name, drawings: await open(await openSource(source, packages), size) });
  const byHexcode = new Map(concepts.map((emoji) => [emoji.hexcode, emoji]));
  const forbidden = new Set(
    concepts.filter(({ side }) => side !== 'train').map(({ label }) => label.toLowerCase()),
  );
  const reader: Reader = {
    name: 'emoji',
    classes,
    async *read(): AsyncGenerator<ReaderItem> {
      for (const emoji of concepts) {
        for (const { vendor, drawings } of sets) {
          const image = await drawings(emoji);
          if (image === undefined) continue;
          const id = `${emoji.hexcode}/${vendor}`;
          if (image === 'transformed') {
            yield fault(
              id,
              'transformed-icon',
              'expected a drawing of its own, got a turned alias of another one',
            );
            continue;
          }
          yield {
            kind: 'sample',
            id,
            image,
            texts: emojiCaptions(emoji, {
              ...(emoji.side === 'train' ? { forbidden } : {}),
              keywordCaptions: options.keywordCaptions ?? KEYWORD_CAPTIONS,
            }),
            label: emoji.group,
            extra: { concept: emoji.concept, vendor, group: classes[emoji.group] ?? '' },
          };
        }
      }
    },
  };
  return {
    concepts,
    reader,
    splitOf(sample) {
      const emoji = byHexcode.get(sample.id.split('/')[0] ?? '');
      const side = emoji?.side ?? 'unseen';
      if (sample.extra?.['vendor'] === heldOut) return side === 'train' ? 'unseen-vendor' : 'unseen-both';
      return side === 'unseen' ? 'unseen-concepts' : side;
    },
  };
};
