/** What the campaigns of kills prepare and train on: raw files of a small suite, and the recipe that prepares it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Writes a file below a folder, with the folders in between. @returns its path */
export const put = async (folder, path, content) => {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
};

/** Bars of four colours in class folders, a table of their captions, and a book. */
export const writeRawFiles = async (folder) => {
  const table = ['image,caption'];
  const book = [];
  for (const [i, colour] of ['red', 'green', 'blue', 'white'].entries()) {
    for (let x = 0; x < 6; x += 1) {
      const name = `${colour}/${x}.svg`;
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="12" height="12"><rect width="12" height="12"/><rect x="${x}" width="${i + 2}" height="12" fill="${colour}"/></svg>`;
      await put(folder, `images/${name}`, svg);
      table.push(`${name},a ${colour} bar at ${x}`);
      book.push(`The bar at ${x} is ${colour}, and the night around it is dark.`);
    }
  }
  await put(folder, 'captions.csv', `${table.join('\n')}\n`);
  await put(folder, 'book.txt', `${book.join('\n')}\n`);
};

/** @param size side of the images, pixels */
export const prepareRecipe = (size) => ({
  name: 'small',
  image: { size },
  text: { length: 16 },
  tokenizer: { vocabularySize: 300 },
  sources: {
    colours: { source: 'image-folder', path: 'images' },
    bars: { source: 'captions-csv', file: 'captions.csv', images: 'images' },
    lines: { source: 'plain-text', files: ['book.txt'], unit: 'line' },
  },
});
