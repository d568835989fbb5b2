/** Vendors of emoji: whose drawings the suite has, and how each one's package holds them. */
import type { ImageContent } from '../samples/sample.ts';
import { iconImage, parseIconSet, normalizeHexcode, slugOf } from './icon-set.ts';
import type { PackageFiles } from './fetch/package-files.ts';
import type { DataSource } from './sources/data-source.ts';
import { fluentEmoji3d } from './sources/fluent-emoji-3d.ts';
import { fluentEmojiFlat } from './sources/fluent-emoji-flat.ts';
import { fxemoji } from './sources/fxemoji.ts';
import { noto } from './sources/noto.ts';
import { openmoji } from './sources/openmoji.ts';
import { twemoji } from './sources/twemoji.ts';

interface NamedEmoji {
  readonly hexcode: string;
  readonly label: string;
}

/** Drawings of one vendor by emoji: `'transformed'` for a turned alias of another one, undefined where there is none. */
export type EmojiDrawings = (
  emoji: NamedEmoji,
) => ImageContent | 'transformed' | undefined | Promise<ImageContent | undefined>;

/** A vendor. */
export interface EmojiVendor {
  /** As in the column `vendor`. */
  readonly name: string;
  readonly source: DataSource;
  /** @param size side in pixels at which drawings are rasterised */
  open(files: PackageFiles, size: number): Promise<EmojiDrawings>;
}

/** @param names further names under which an emoji's drawing may stand, by its label */
const iconSetVendor = (source: DataSource, names: (label: string) => readonly string[]): EmojiVendor => ({
  name: source.name,
  source,
  async open(files, size) {
    const icons = parseIconSet(await files.read('icons.json'), await files.read('chars.json'));
    return (emoji) => {
      const image = iconImage(icons, { ...emoji, names: names(emoji.label) }, size);
      return typeof image === 'object' ? { kind: 'bytes', bytes: image } : image;
    };
  },
});

/** Image files that are called by code points. */
const fileVendor = (source: DataSource, file: RegExp): EmojiVendor => ({
  name: source.name,
  source,
  open(files) {
    const paths = new Map<string, string>();
    for (const path of files.paths) {
      const hexcode = file.exec(path)?.[1];
      if (hexcode !== undefined) paths.set(normalizeHexcode(hexcode), path);
    }
    return Promise.resolve(async ({ hexcode }) => {
      const path = paths.get(normalizeHexcode(hexcode));
      return path === undefined ? undefined : { kind: 'bytes', bytes: await files.read(path) };
    });
  },
});

const bySlug = (label: string): readonly string[] => [slugOf(label)];

/** All vendors by name; the first four are the usual ones. */
export const vendors: readonly EmojiVendor[] = [
  iconSetVendor(noto, bySlug),
  iconSetVendor(twemoji, bySlug),
  iconSetVendor(openmoji, bySlug),
  iconSetVendor(fluentEmojiFlat, bySlug),
  // Its names have no hyphens.
  iconSetVendor(fxemoji, (label) => [slugOf(label), slugOf(label).replaceAll('-', '')]),
  fileVendor(fluentEmoji3d, /^assets\/([0-9a-f-]+)\.webp$/iu),
];

/** Names of all vendors. */
export const emojiVendors: readonly string[] = vendors.map(({ name }) => name);
/** Names of the vendors of the small tier of the suite. */
export const usualVendors: readonly string[] = emojiVendors.slice(0, 4);

/** Names of the data sources of vendors. */
export const vendorSources = (names: readonly string[]): readonly string[] =>
  vendors.filter(({ name }) => names.includes(name)).map(({ source }) => source.name);
