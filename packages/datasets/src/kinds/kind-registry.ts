/** Kinds of datasets by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { captionedImage } from './captioned-image.ts';
import { captionedVideo } from './captioned-video.ts';
import { datasetKindShape, type DatasetKind, type KindSettings } from './dataset-kind.ts';
import { labelledImage } from './labelled-image.ts';
import { labelledText } from './labelled-text.ts';
import { labelledVideo } from './labelled-video.ts';
import { multimodalClasses, multimodalLabels, multimodalNumbers } from './multimodal/kinds.ts';
import { text } from './text.ts';

const kinds: readonly DatasetKind[] = [
  labelledImage,
  captionedImage,
  text,
  labelledText,
  labelledVideo,
  captionedVideo,
  multimodalClasses,
  multimodalLabels,
  multimodalNumbers,
];

const registry = createRegistry<DatasetKind>('dataset kind', kinds, datasetKindShape);

/**
 * Makes a kind of dataset available to readers and tasks.
 * @throws ConfigError for a name that is taken, or (code `record`) a field that is not as a kind's
 */
export const registerKind = registry.register;
/** The kind of a name. @throws ConfigError listing the registered ones */
export const kindNamed = registry.named;
/** Names of all kinds, those of this package first. */
export const kindNames = registry.names;

/** Names of the modalities of a dataset's samples. @throws ConfigError for a kind that is not registered */
export const datasetModalities = ({
  kind,
  settings = {},
}: {
  readonly kind: string;
  readonly settings?: KindSettings;
}): readonly string[] => {
  const { modalities, modalitiesOf } = registry.named(kind);
  return modalitiesOf?.(settings) ?? modalities;
};
