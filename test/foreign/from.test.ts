/** What `prepare --from` says of datasets that Python tools wrote. */
import { join } from 'node:path';
import { recipeForPath } from '@polygate/app-prepare';
import { describe, expect, it } from 'vitest';
import { fixtures } from './prepared-rows.ts';

const readers: readonly (readonly [path: string, reader: string, reason: RegExp])[] = [
  [
    'formats/hub-images',
    'parquet',
    /^4 Parquet files with the columns image \(\{ bytes, path \}\), label \(number\), read as labelled-image$/u,
  ],
  ['formats/hub-captions', 'parquet', /read as captioned-image$/u],
  ['formats/hub-texts', 'parquet', /read as labelled-text$/u],
  ['formats/pairs.parquet', 'parquet', /^1 Parquet file .*read as labelled-text$/u],
  [
    'formats/saved-images',
    'saved-dataset',
    /^dataset_dict\.json and 3 Arrow files, as save_to_disk writes them, read as labelled-image$/u,
  ],
  ['formats/saved-captions', 'saved-dataset', /^state\.json and 1 Arrow file, .*read as captioned-image$/u],
  [
    'formats/meta-csv',
    'image-metadata',
    /^train\/metadata\.csv beside the images, .*read as labelled-image$/u,
  ],
  ['formats/meta-jsonl', 'image-metadata', /^metadata\.jsonl beside .*read as captioned-image$/u],
  ['formats/meta-parquet', 'image-metadata', /^metadata\.parquet beside .*read as captioned-image$/u],
  ['formats/MNIST', 'idx', /^idx files of images and labels: t10k, train$/u],
  ['formats/mnist.npz', 'numpy-arrays', /^arrays of NumPy: x_train and y_train, x_test and y_test$/u],
  ['formats/npy', 'numpy-arrays', /^arrays of NumPy: images and labels$/u],
  [
    'formats/aclImdb',
    'text-folder',
    /^texts in folders of the classes neg, pos, in the splits train, test$/u,
  ],
  [
    'formats/flickr/Flickr8k.token.txt',
    'caption-list',
    /^Flickr8k\.token\.txt has captions as Flickr8k and Flickr30k give them out$/u,
  ],
  [
    'formats/isic/truth.csv',
    'labelled-table',
    /^truth\.csv has the columns image \(images\) and MEL \(one-hot labels, one of 3 columns\), and the images are in images$/u,
  ],
  ['img2dataset/files', 'sidecar-captions', /./u],
  ['img2dataset/webdataset', 'webdataset', /./u],
  ['img2dataset/parquet', 'parquet', /read as captioned-image$/u],
];

describe('prepare --from', () => {
  it.each(readers)('%s is read by %s', async (path, reader, reason) => {
    const recipe = await recipeForPath(join(fixtures, path));
    expect([recipe.reader, recipe.reason]).toEqual([reader, expect.stringMatching(reason)]);
  });
});
