/** Whether a suite is one that a model can read: ids of its tokenizer, images as it was trained on. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { ConfigError, silentLogger, StateError, type Logger } from '@polygate/core';
import { datasetModalities } from '@polygate/datasets';
import type { ModelConfig, ModelImage } from './models/model-config.ts';
import type { OpenSuite } from './suite-data.ts';

/** How images are made, in words. */
export const howMade = ({ fit, background }: Pick<ModelImage, 'fit' | 'background'>): string =>
  `${fit ?? 'contain'} on ${background ?? '#ffffff'}`;

/** The last part of a path or package as a part of a suite's name. */
const slugOf = (path: string): string =>
  basename(path)
    .toLowerCase()
    .replace(/[^a-z0-9]+/gu, '-')
    .replace(/^-+|-+$/gu, '') || 'model';

/** What is checked of a model. */
export interface SuiteReader {
  readonly config: Pick<ModelConfig, 'tokenizerHash' | 'image'>;
}

export interface RequireSuiteOptions {
  /** Stands in the remedy: what `prepare --for` takes. @default RUN */
  readonly run?: string;
  /** Whether the run is one that goes on, which another folder would begin anew. @default false */
  readonly goesOn?: boolean;
  /** Gets a line where images were made in another way. */
  readonly logger?: Logger;
}

/**
 * Requires that a suite was prepared with a model's tokenizer and at its image size.
 * @throws StateError (code `tokenizer-mismatch`) for another tokenizer, ConfigError (code `image-size-differs`) for
 * images of another size
 */
export const requireSuiteOf = (
  { config }: SuiteReader,
  data: Pick<OpenSuite, 'folder' | 'suite' | 'tokenizer'>,
  options: RequireSuiteOptions = {},
): void => {
  const { run = 'RUN', goesOn = false, logger = silentLogger } = options;
  // The recipe that `prepare --from` wrote lies beside the suite.
  const written = `${data.folder.replace(/[/\\]+$/u, '')}.recipe.json`;
  const recipe = existsSync(written) ? written : 'RECIPE';
  // Under its own name it would take the place of the suite that other runs were trained on.
  const name = `${data.suite.name}-for-${slugOf(run)}`;
  const anew = goesOn
    ? `the run ${run} is there already: train on this suite in another folder (--run FOLDER, or --set name=NAME); or `
    : '';
  const remedy = `${anew}prepare one for the model: polygate prepare --recipe ${recipe} --for ${run} --set name=${name}`;
  const { tokenizerHash, image } = config;
  if (data.tokenizer.hash !== tokenizerHash) {
    throw new StateError(
      `suite ${data.folder}: expected one prepared with the model's tokenizer (sha256 ${tokenizerHash}), got one of sha256 ${data.tokenizer.hash}, whose ids are other words; ${remedy}`,
      { code: 'tokenizer-mismatch', fields: { expected: tokenizerHash, got: data.tokenizer.hash } },
    );
  }
  const { image: suiteImage, datasets } = data.suite;
  if (!datasets.some((dataset) => datasetModalities(dataset).includes('visual'))) return;
  if (suiteImage.height !== image.height || suiteImage.width !== image.width) {
    throw new ConfigError(
      `suite ${data.folder}: expected images of the model's ${image.height} x ${image.width} pixels, got ${suiteImage.height} x ${suiteImage.width}; ${remedy}`,
      { code: 'image-size-differs', fields: { expected: image, got: suiteImage } },
    );
  }
  if (suiteImage.fit !== undefined && image.fit !== undefined && howMade(suiteImage) !== howMade(image)) {
    logger.warn(
      `suite ${data.folder}: its images are ${howMade(suiteImage)}, the model was trained on ${howMade(image)}; ${remedy}`,
    );
  }
};
