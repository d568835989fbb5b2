/**
 * Drawings of the Open Clip Art Library with titles and tags as captions, or with their category, which is their folder.
 * What shows next to nothing (shapes, gradients, buttons), what there is in long series (icons, card decks) and what emoji
 * show, too (flags, smileys) is left out. Drawings of one series are on one side: their files' names differ in numbers.
 */
import sharp from 'sharp';
import { fault, type Fault, type ImageContent, type ReaderItem, type Sample } from '../../samples/sample.ts';
import { bucketOf } from '../../splits/split.ts';
import type { PackageFiles, PackageOptions } from '../fetch/package-files.ts';
import type { MiniSet } from '../mini-set.ts';
import { openSource } from '../packages.ts';
import { openClipart } from '../sources/openclipart.ts';
import { drawingMetadata, isCaption } from './drawing-metadata.ts';

const ROOT = 'usr/share/openclipart/svg/';
/** Folders that are left out. */
const leftOut =
  /^(?:shapes|special|unsorted|buttons|logos|computer\/(?:icons|buttons)|people\/smilies|recreation\/games\/cards|signs_and_symbols\/(?:flags|led|map_symbols)|geography\/.*flag)(?:\/|$)|(?:^|\/)flags?(?:_|\/|$)/u;
/** Categories that are asked for, by their folders. */
const categories: Readonly<Record<string, string>> = {
  animals: 'animals',
  buildings: 'buildings',
  computer: 'computers',
  food: 'food',
  geography: 'geography',
  office: 'office',
  people: 'people',
  plants: 'plants',
  recreation: 'recreation',
  tools: 'tools',
  transportation: 'transportation',
};
/** Class names, in label order. */
export const clipArtCategories: readonly string[] = Object.values(categories);

/** Larger files take seconds to draw. */
const MAX_BYTES = 400_000;
/** Difference of the lightest and darkest value below which a drawing shows nothing. */
const LEAST_CONTRAST = 20;
const TAGS_PER_CAPTION = 3;

/** Splits of clip art. */
export type ClipArtSide = 'train' | 'validation' | 'unseen-series';

export interface ClipArtOptions {
  readonly kind?: 'captioned-image' | 'labelled-image';
  /** Side in pixels at which drawings are rasterised. @default 48 */
  readonly size?: number;
  /** Percentage of series in `unseen-series`. @default 15 */
  readonly unseenPercent?: number;
  /** Percentage of the other series in `validation`. @default 3 */
  readonly validationPercent?: number;
}

/** The series of a file: its name without numbers and ending. */
export const seriesOf = (path: string): string =>
  path
    .slice(path.lastIndexOf('/') + 1)
    .replace(/\.svg$/iu, '')
    .replace(/[\d_.-]+/gu, '_')
    .replace(/^_|_$/gu, '')
    .toLowerCase();

/** Drawings are rendered this many times larger than they are wanted, then made small. */
const OVERSAMPLING = 3;

/**
 * A drawing with its longer side made `longest` pixels. What it shows stays: many drawings have no view box, then the box
 * is what is seen at their own size.
 */
const scaledDrawing = (
  svg: Uint8Array,
  { width, height }: { readonly width: number; readonly height: number },
  longest: number,
): Uint8Array => {
  const scale = longest / Math.max(width, height, 1);
  const sides = `width="${Math.max(1, width * scale)}" height="${Math.max(1, height * scale)}"`;
  const text = Buffer.from(svg).toString('latin1');
  const scaled = text.replace(/<svg\b[^>]*>/u, (root) => {
    const bare = root.replace(/\s(?:width|height)\s*=\s*(?:"[^"]*"|'[^']*')/gu, '');
    const box = /\sviewBox\s*=/u.test(root) ? '' : `viewBox="0 0 ${width} ${height}" `;
    return bare.replace('<svg', `<svg ${box}${sides}`);
  });
  return Buffer.from(scaled, 'latin1');
};

/** A drawing as [size, size, 4] pixels, or why it can't be used. Rendering it at its own size may take seconds. */
const renderDrawing = async (id: string, svg: Uint8Array, size: number): Promise<ImageContent | Fault> => {
  try {
    const { width, height } = await sharp(svg).metadata();
    const small = scaledDrawing(svg, { width, height }, OVERSAMPLING * size);
    const pixels = await sharp(small, { failOn: 'error' })
      .resize(size, size, { fit: 'contain', background: { r: 255, g: 255, b: 255, alpha: 0 } })
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer();
    const contrast = contrastOf(pixels);
    return contrast < LEAST_CONTRAST
      ? fault(id, 'blank-drawing', `expected a drawing with contrast, got ${contrast} of 255`)
      : { kind: 'pixels', pixels, width: size, height: size, channels: 4 };
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error))
      .replace(/\s+/gu, ' ')
      .slice(0, 160);
    return fault(id, 'corrupt-image', `expected a drawing that can be rendered, got: ${reason}`);
  }
};

/** Difference of the lightest and the darkest value on white, of the channel where it is largest. */
const contrastOf = (pixels: Uint8Array): number => {
  let most = 0;
  for (let c = 0; c < 3; c += 1) {
    let [least, highest] = [255, 0];
    for (let at = 0; at < pixels.length; at += 4) {
      const alpha = pixels[at + 3] as number;
      const value = ((pixels[at + c] as number) * alpha + 255 * (255 - alpha)) / 255;
      least = Math.min(least, value);
      highest = Math.max(highest, value);
    }
    most = Math.max(most, highest - least);
  }
  return most;
};

/** The captions of a drawing: its title, then its tags. Empty where the title is none. */
const captionsOf = (svg: Uint8Array): string[] => {
  const { title, tags } = drawingMetadata(svg);
  if (!isCaption(title)) return [];
  const others = tags.filter((tag) => tag !== title.toLowerCase() && /^[a-z][a-z '-]*$/u.test(tag));
  return [title, ...(others.length > 1 ? [others.slice(0, TAGS_PER_CAPTION).join(', ')] : [])];
};

const readDrawing = async (
  files: PackageFiles,
  path: string,
  { captioned, size }: { readonly captioned: boolean; readonly size: number },
): Promise<Sample | Fault | undefined> => {
  const id = path.slice(ROOT.length).replace(/\.svg$/u, '');
  const folder = id.slice(0, id.indexOf('/'));
  const category = categories[folder] ?? '';
  if (!captioned && category === '') return undefined;
  const svg = await files.read(path);
  if (svg.length > MAX_BYTES)
    return fault(id, 'large-drawing', `expected at most ${MAX_BYTES} bytes, got ${svg.length}`);
  const texts = captioned ? captionsOf(svg) : [];
  // Nothing is wrong with a drawing without a title in English; it only can't be captioned.
  if (captioned && texts.length === 0) return undefined;
  const image = await renderDrawing(id, svg, size);
  if (image.kind === 'fault') return image;
  return {
    kind: 'sample',
    id,
    image,
    ...(captioned ? { texts } : { label: clipArtCategories.indexOf(category) }),
    extra: { series: seriesOf(path), category },
  };
};

/** Loads the drawings. @throws FormatError for other package content */
export const loadClipArt = async (
  options: ClipArtOptions = {},
  packages: PackageOptions = {},
): Promise<MiniSet<ClipArtSide>> => {
  const { kind = 'captioned-image', unseenPercent = 15, validationPercent = 3, size = 48 } = options;
  const captioned = kind === 'captioned-image';
  const files = await openSource(openClipart, packages);
  const paths = files.paths.filter((path) => path.startsWith(ROOT) && !leftOut.test(path.slice(ROOT.length)));
  // A further pass reads what the first one rendered.
  let items: (Sample | Fault)[] | undefined;
  const load = async (): Promise<(Sample | Fault)[]> => {
    const all: (Sample | Fault)[] = [];
    for (const path of paths) {
      const item = await readDrawing(files, path, { captioned, size });
      if (item) all.push(item);
    }
    return all;
  };
  return {
    reader: {
      name: 'openclipart',
      ...(captioned ? {} : { classes: clipArtCategories }),
      async *read(): AsyncGenerator<ReaderItem> {
        items ??= await load();
        yield* items;
      },
    },
    splitOf({ extra }) {
      const series = extra?.['series'] ?? '';
      if (bucketOf(series) < unseenPercent) return 'unseen-series';
      return bucketOf(`validation/${series}`) < validationPercent ? 'validation' : 'train';
    },
  };
};
