/** Figures as files: SVG, and PNG for places that take no SVG. */
import { writeFileAtomic } from '@polygate/core/node';
import { renderFigure, type Figure } from '@polygate/figures';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';

/** Dots per inch of the PNG; 72 would be one pixel of the image for one of the figure. */
const DENSITY = 144;

const fontFile = (name: string): string =>
  createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}.ttf`);

let fonts: Promise<unknown> | undefined;

/**
 * Makes our font known to the renderer of this process: a bare machine has none, and SVG text would become boxes. The
 * renderer keeps the fonts that any text image of it was drawn with.
 */
const loadFonts = (): Promise<unknown> => {
  fonts ??= (async () => {
    for (const [name, style] of [
      ['DejaVuSans', 'DejaVu Sans 10'],
      ['DejaVuSans-Bold', 'DejaVu Sans Bold 10'],
    ] as const) {
      await sharp({ text: { text: 'x', font: style, fontfile: fontFile(name), rgba: true } })
        .png()
        .toBuffer();
    }
  })();
  return fonts;
};

/** A figure as PNG bytes, on a white surface, at twice its size. */
const drawFigure = async (figure: Figure): Promise<Buffer> => {
  await loadFonts();
  const svg = renderFigure(figure, { id: 'figure', target: 'image' });
  return sharp(Buffer.from(svg), { density: DENSITY }).png().toBuffer();
};

/** Writes NAME.svg and NAME.png into a folder. @throws StateError for an unwritable folder */
export const writeFigure = async (
  figure: Figure,
  folder: string,
  name: string,
): Promise<readonly string[]> => {
  const files = { svg: join(folder, `${name}.svg`), png: join(folder, `${name}.png`) };
  await writeFileAtomic(files.svg, renderFigure(figure, { id: name }));
  await writeFileAtomic(files.png, await drawFigure(figure));
  return [files.svg, files.png];
};
