/** What a modality is told to read an input of a multimodal dataset. */
import type { ImageInput } from './visual/image-input.ts';

/** The model that reads, and what a recipe says of the input. */
export interface InputContext {
  /** Name of the input, which is that of its column. */
  readonly name: string;
  /** Images of the model. */
  readonly image: ImageInput;
  readonly text: {
    readonly vocabularySize: number;
    readonly endToken: number;
    /** Longest text in tokens. */
    readonly maximumTokens: number;
  };
  /** Settings of the input, such as `{ "patch": 4 }`. */
  readonly settings: Readonly<Record<string, unknown>>;
}
