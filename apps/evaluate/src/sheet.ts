/**
 * The image sheet: a PNG of held-out images with predictions, right ones in green, wrong ones in red. Text is drawn
 * with a font of our own, since a bare machine has none.
 */
import { createRequire } from 'node:module';
import sharp from 'sharp';
import type { SheetEntry, SheetSection } from './sheet-entries.ts';

const fontFile = (name: string): string =>
  createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}.ttf`);

const COLUMNS = 3;
const CELL = { width: 372, height: 120 };
const IMAGE = 96;
const MARGIN = 12;
const HEADER = 44;
const SECTION = 34;

const colours = { ink: '#1f2328', quiet: '#59636e', right: '#1a7f37', wrong: '#c0261c' } as const;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const cut = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length - 1)}…` : text;

const span = (text: string, colour: string, weight = 'normal'): string =>
  `<span foreground="${colour}" weight="${weight}">${escape(text)}</span>`;

/** Pango markup beside an image: its name, then each answer; behind a wrong one what the name does not say. */
const entryMarkup = ({ name, lines }: SheetEntry): string =>
  [
    span(cut(name, 34), colours.ink, 'bold'),
    ...lines.map(({ label, answer, expected }) => {
      const isRight = answer === expected;
      const truth = isRight || expected === name ? '' : span(` (${expected})`, colours.quiet);
      const colour = isRight ? colours.right : colours.wrong;
      return span(`${label} `, colours.quiet) + span(cut(answer, 40), colour) + truth;
    }),
  ].join('\n');

interface Layer {
  readonly input: Buffer;
  readonly left: number;
  readonly top: number;
}

const textLayer = async (
  markup: string,
  box: { readonly left: number; readonly top: number; readonly width: number; readonly size?: number },
): Promise<Layer> => {
  const { left, top, width, size = 12 } = box;
  const input = await sharp({
    text: {
      text: markup,
      font: `DejaVu Sans ${size}`,
      fontfile: fontFile('DejaVuSans'),
      width,
      wrap: 'word-char',
      rgba: true,
      spacing: 2,
    },
  })
    .png()
    .toBuffer();
  return { input, left, top };
};

const imageLayer = async (
  entry: SheetEntry,
  box: { readonly left: number; readonly top: number; readonly side: number },
): Promise<Layer> => {
  const { left, top, side } = box;
  const input = await sharp(entry.pixels, { raw: { width: side, height: side, channels: 3 } })
    .resize(IMAGE, IMAGE, { kernel: 'nearest' })
    .png()
    .toBuffer();
  return { input, left, top };
};

/** Draws a sheet. @returns PNG bytes */
export const drawSheet = async (
  sections: readonly SheetSection[],
  options: { readonly title: string; readonly side: number },
): Promise<Buffer> => {
  const layers: Layer[] = [
    await textLayer(span(options.title, colours.ink, 'bold'), {
      left: MARGIN,
      top: MARGIN,
      width: COLUMNS * CELL.width,
      size: 15,
    }),
  ];
  let top = HEADER;
  for (const section of sections) {
    layers.push(
      await textLayer(span(section.title, colours.quiet, 'bold'), {
        left: MARGIN,
        top: top + 10,
        width: COLUMNS * CELL.width,
      }),
    );
    top += SECTION;
    for (const [i, entry] of section.entries.entries()) {
      const left = MARGIN + (i % COLUMNS) * CELL.width;
      const row = top + Math.floor(i / COLUMNS) * CELL.height;
      layers.push(
        await imageLayer(entry, { left, top: row, side: options.side }),
        await textLayer(entryMarkup(entry), {
          left: left + IMAGE + MARGIN,
          top: row + 2,
          width: CELL.width - IMAGE - 2 * MARGIN,
        }),
      );
    }
    top += Math.ceil(section.entries.length / COLUMNS) * CELL.height;
  }
  return sharp({
    create: {
      width: 2 * MARGIN + COLUMNS * CELL.width,
      height: top + MARGIN,
      channels: 3,
      background: '#ffffff',
    },
  })
    .composite([...layers])
    .png({ compressionLevel: 9 })
    .toBuffer();
};
