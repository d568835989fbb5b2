/** Where an image's bytes are. `pixels` is row-major H·W·C with C of 1, 3 or 4, 8 bits each. */
export type ImageContent =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'pixels';
      readonly pixels: Uint8Array;
      readonly height: number;
      readonly width: number;
      readonly channels: 1 | 3 | 4;
    };

/** Content of a modality without a field of its own in a sample, as its kind of dataset reads it. */
export type SampleContent =
  | { readonly kind: 'path'; readonly path: string }
  /** Files that belong together in this order, such as the frames of a clip. */
  | { readonly kind: 'paths'; readonly paths: readonly string[] }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly name?: string }
  /** Frames of a clip that are made when they are asked for; what has the same key shows the same. */
  | {
      readonly kind: 'frames';
      readonly frames: number;
      readonly key: string;
      readonly frame: (index: number) => ImageContent | Promise<ImageContent>;
    }
  /** Row-major numbers. */
  | { readonly kind: 'values'; readonly values: ArrayBufferView; readonly shape: readonly number[] };

/** One row of a dataset before it is decoded: what is there depends on the reader. */
export interface Sample {
  readonly kind: 'sample';
  /** Unique in its dataset and the same on every machine: never an absolute path. */
  readonly id: string;
  readonly image?: ImageContent;
  /** Further contents by name, such as `clip`, for kinds of datasets that read them. */
  readonly contents?: Readonly<Record<string, SampleContent>>;
  /**
   * Captions of an image, lines of a text, or the one or two sentences of a labelled text. An empty one among several is left
   * out where rows are made, and told of.
   */
  readonly texts?: readonly string[];
  /** Index into the reader's classes. */
  readonly label?: number;
  /** Numbers that are asked of it, in the order of the dataset's outputs; or indices of the classes that all hold of it. */
  readonly targets?: readonly number[];
  /** Split that the source itself names, by folder or column, as {@link canonicalSplit} writes it. */
  readonly split?: string;
  /** What samples belong together by, such as the video that clips were cut from: they are on one side of drawn splits. */
  readonly group?: string;
  /** Further text columns, such as `concept` or `vendor`. */
  readonly extra?: Readonly<Record<string, string>>;
}

/** A sample that can't be used. It is reported, not thrown: the job quarantines it and goes on. */
export interface Fault {
  readonly kind: 'fault';
  readonly id: string;
  /** Stable kebab-case name by which faults are counted, e.g. `missing-file`. */
  readonly code: string;
  /** What was expected and what came. */
  readonly reason: string;
  /** Samples that it stands for, where many are left out by one rule, such as the images in no list. @default 1 */
  readonly count?: number;
}

/** One step of a reader: a sample, or what is wrong with it. */
export type ReaderItem = Sample | Fault;

/**
 * A source of samples in a fixed order. `read` may be called again for another pass. A reader throws only for what
 * makes the whole source unusable (missing folder, wrong columns, broken archive); all else is a {@link Fault}.
 */
export interface Reader {
  readonly name: string;
  /** Class names in label order, for readers that give labels. */
  readonly classes?: readonly string[];
  /** Splits that its samples name, for a source that says of each sample which one it belongs to. */
  readonly splits?: readonly string[];
  /** What a person should know of how the source is read, such as a column that is not used. */
  readonly notes?: readonly string[];
  read(): AsyncIterable<ReaderItem>;
}

/** Makes a fault record. */
export const fault = (id: string, code: string, reason: string): Fault => ({
  kind: 'fault',
  id,
  code,
  reason,
});

/** A fault that stands for several samples. */
export const faultOfMany = (count: number, each: Fault): Fault => ({ ...each, count });
