/** Dataset readers by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { captionListReader } from './caption-list.ts';
import { captionsCsvReader } from './captions-csv.ts';
import { cocoCaptionsReader } from './coco-captions.ts';
import { datasetReaderShape, type DatasetReader } from './dataset-reader.ts';
import { emojiReader } from './emoji.ts';
import { fashionMnistReader } from './fashion-mnist.ts';
import { glueReader } from './glue/glue.ts';
import { idxReader } from './idx.ts';
import { imageFolderReader } from './image-folder.ts';
import { imageMetadataReader } from './image-metadata.ts';
import { jsonlReader } from './jsonl-manifest.ts';
import { kineticsReader } from './kinetics.ts';
import { labelledTableReader } from './labelled-table.ts';
import { labelledTsvReader } from './labelled-tsv.ts';
import { miniGlueReader } from './mini-glue.ts';
import { miniTextReader } from './mini-text.ts';
import { mnistFullReader } from './mnist-full.ts';
import { mnistReader } from './mnist.ts';
import { movingDigitsReader } from './moving-digits.ts';
import { msrVttReader } from './msr-vtt.ts';
import { msvdReader } from './msvd.ts';
import { multimodalArraysReader } from './multimodal-arrays.ts';
import { multimodalTableReader } from './multimodal-table.ts';
import { numpyArraysReader } from './numpy-arrays.ts';
import { openClipartReader } from './openclipart.ts';
import { parquetReader } from './parquet.ts';
import { plainTextReader } from './plain-text.ts';
import { runningTextReader } from './running-text.ts';
import { savedDatasetReader } from './saved-dataset.ts';
import { sidecarCaptionsReader } from './sidecar-captions.ts';
import { spriteCaptionsReader } from './sprite-captions.ts';
import { spriteClipsReader } from './sprite-clips.ts';
import { syntheticModalitiesReader } from './synthetic-modalities.ts';
import { tablerIconsReader } from './tabler-icons.ts';
import { textFolderReader } from './text-folder.ts';
import { videoCaptionsCsvReader } from './video-captions-csv.ts';
import { videoFolderReader } from './video-folder.ts';
import { webDatasetReader } from './webdataset.ts';

/** The readers of this package. */
const readers = [
  emojiReader,
  mnistReader,
  miniTextReader,
  imageFolderReader,
  captionsCsvReader,
  cocoCaptionsReader,
  sidecarCaptionsReader,
  labelledTableReader,
  jsonlReader,
  webDatasetReader,
  plainTextReader,
  labelledTsvReader,
  videoFolderReader,
  parquetReader,
  savedDatasetReader,
  idxReader,
  numpyArraysReader,
  multimodalArraysReader,
  multimodalTableReader,
  imageMetadataReader,
  textFolderReader,
  captionListReader,
  glueReader,
  kineticsReader,
  msrVttReader,
  msvdReader,
  videoCaptionsCsvReader,
  mnistFullReader,
  fashionMnistReader,
  movingDigitsReader,
  openClipartReader,
  tablerIconsReader,
  spriteClipsReader,
  spriteCaptionsReader,
  runningTextReader,
  miniGlueReader,
  syntheticModalitiesReader,
] as const;

type PackageReaders = { readonly [R in (typeof readers)[number] as R['name']]: R };

/**
 * The readers whose settings are checked by the compiler, too, in recipes that say `satisfies PrepareRecipeInput`.
 * Packages that register others may merge theirs into this interface.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- its members come from elsewhere
export interface NamedReaders extends PackageReaders {}

const registry = createRegistry<DatasetReader>(
  'reader',
  readers as readonly DatasetReader[],
  datasetReaderShape,
);

/**
 * Makes a reader available to recipes and to `prepare --from`.
 * @throws ConfigError for a name that is taken, or (code `record`) a field that is not as a reader's
 */
export const registerReader = registry.register;
/** The reader of a name. @throws ConfigError listing the registered ones */
export const readerNamed = registry.named;
/** Names of all readers, those of this package first. */
export const readerNames = registry.names;
/** All readers. */
export const allReaders = registry.all;
