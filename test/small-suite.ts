/**
 * Raw files of a made-up suite (images in class folders, a table of captions, a book), the suite prepared from them,
 * and a recipe over all four task families whose model is small enough for any engine.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { prepare, type PreparedSuite } from '@polygate/app-prepare';
import type { RecipeInput } from '@polygate/generalist';

const colours = ['red', 'green', 'blue', 'white'] as const;
const places = ['left', 'right', 'middle'] as const;
/** Images of each colour and place; they differ in width. */
const WIDTHS = [2, 3, 4];

/** Images of the raw files. */
export const IMAGES = colours.length * places.length * WIDTHS.length;

const svgOf = (colour: string, side: (typeof places)[number], width: number): string => {
  const x = { left: 0, middle: 6 - width / 2, right: 12 - width }[side];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="12" height="12"><rect width="12" height="12"/><rect x="${x}" width="${width}" height="12" fill="${colour}"/></svg>`;
};

/** Writes a file below a folder, with the folders in between. */
export const put = async (folder: string, path: string, content: string | Uint8Array): Promise<string> => {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
};

/** Writes `images/COLOUR/*.svg`, `captions.csv` and `book.txt`. */
export const writeRawFiles = async (folder: string): Promise<void> => {
  const table = ['image,caption'];
  const book: string[] = [];
  for (const colour of colours) {
    for (const side of places) {
      book.push(`The bar on the ${side} is ${colour}, and the night around it is dark.`);
      for (const width of WIDTHS) {
        const name = `${colour}/${side}-${width}.svg`;
        await put(folder, `images/${name}`, svgOf(colour, side, width));
        table.push(`${name},a ${colour} bar on the ${side}`, `${name},the bar is ${colour}`);
      }
    }
  }
  await put(folder, 'captions.csv', `${table.join('\n')}\n`);
  await put(folder, 'book.txt', `${[...book, ...book].join('\n')}\n`);
};

/** A prepare recipe over {@link writeRawFiles}. */
export const smallPrepareRecipe = {
  name: 'small',
  image: { size: 8 },
  text: { length: 16 },
  tokenizer: { vocabularySize: 300 },
  sources: {
    colours: { source: 'image-folder', path: 'images' },
    bars: { source: 'captions-csv', file: 'captions.csv', images: 'images' },
    lines: { source: 'plain-text', files: ['book.txt'], unit: 'line' },
  },
};

/** Raw files and the suite made from them, in `FOLDER/data/small`. */
export const prepareSmallSuite = async (folder: string): Promise<PreparedSuite> => {
  await writeRawFiles(folder);
  return prepare({ recipe: smallPrepareRecipe, workDirectory: folder });
};

/** The `mini-moe` preset shrunk, trained on all four families of the suite. */
export const smallTrainingRecipe = (suite: string) =>
  ({
    name: 'small',
    suite,
    model: {
      preset: 'mini-moe',
      layers: 1,
      width: 12,
      heads: 2,
      hidden: 16,
      patchSize: 4,
      maxPositions: 32,
      moe: { experts: 3, topK: 2, noise: 1 },
    },
    tasks: {
      colours: {
        family: 'image-classification',
        dataset: 'colours',
        batchSize: 2,
        augmentation: { flip: 0.5, shift: 0.2 },
      },
      captioning: {
        family: 'image-captioning',
        dataset: 'bars',
        batchSize: 2,
        maximumTokens: 6,
        candidates: { kind: 'sampled', negatives: 4 },
      },
      retrieval: { family: 'image-text-retrieval', dataset: 'bars', batchSize: 2, maximumTokens: 6 },
      lines: {
        family: 'masked-language-modelling',
        dataset: 'lines',
        batchSize: 2,
        candidates: { kind: 'sampled', negatives: 4 },
      },
    },
    optimizer: { learningRate: 3e-3 },
    seed: 7,
    engine: 'wasm',
    validation: { every: '100%', limit: 2 },
  }) satisfies RecipeInput;
