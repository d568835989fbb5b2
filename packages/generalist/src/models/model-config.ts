/** What a model is, as plain JSON: what all architectures have in common, whatever its own configuration is. */
import type { TrainedTask } from '@polygate/tasks';
import type { TuneSettings } from '../tuning/registry.ts';

/** The architecture of models that name none: those of older versions. */
export const FIRST_ARCHITECTURE = 'uni-perceiver';

/** Longest caption of models that don't say, end token included. */
export const DEFAULT_MAXIMUM_TOKENS = 50;

/** Images of a model: their sizes in pixels, and how they are made of files that are not of that size. */
export interface ModelImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** `contain` keeps the whole image, `cover` crops. @default 'contain'; models of older versions don't say */
  readonly fit?: 'contain' | 'cover';
  /** Colour under transparent parts and beside the image, as CSS. @default '#ffffff' */
  readonly background?: string;
}

/** What every model has in its config.json; an architecture adds fields of its own. */
export interface ModelConfig {
  /** Name of the architecture. @default 'uni-perceiver' */
  readonly architecture?: string;
  /** Images that the model was trained on. */
  readonly image: ModelImage;
  /** SHA-256 of the tokenizer.json whose ids the embeddings belong to. */
  readonly tokenizerHash: string;
  /** Longest caption, end token included. @default 50 */
  readonly maximumTokens?: number;
  /** Modules that register what it is made of: packages, or paths. @default none */
  readonly extensions?: readonly string[];
  /** What it was trained on; predictions serve one of these tasks. @default unknown */
  readonly tasks?: readonly TrainedTask[];
  /** How it was tuned, where it has an adapter on a base. @default it was trained as a whole */
  readonly adapter?: TuneSettings;
}
