/**
 * What a family looks at: images, or clips. Families that ask the same of both are made by a function of one of these
 * records, so that the family of clips is that of images with other patches.
 */
import type { ImageInput, ImagePatches } from '@polygate/modalities';
import type { RecordBatch } from '@polygate/stream';
import type { Augmentation } from '@polygate/tokens';
import type { z } from 'zod';
import type { DescribedDataset, SettingFields } from '../families/family.ts';
import type { TrainedTask } from '../model.ts';
import type { CollateOptions } from '../task.ts';
import type { Clip } from './clip-patches.ts';

/** One of several views of a sample, which are spread evenly over it. */
export interface VisualView {
  readonly index: number;
  readonly of: number;
}

/** How a task of a model has its samples shown outside training. */
export interface ShownViews {
  /** Views of a sample whose answers are averaged. */
  readonly count: number;
  /** Patches of one view of each sample. @throws ShapeError for samples of another size */
  patches(samples: readonly Clip[], image: ImageInput, view: number): ImagePatches;
  /** Patches of all views of one sample. @throws ShapeError for one of another size */
  views(sample: Clip, image: ImageInput): ImagePatches;
}

/** What `Fields` hold when a recipe was read. */
export type VisualSettings<Fields extends SettingFields> = Readonly<z.output<z.ZodObject<Fields>>>;

/** What reading depends on beside the settings. */
export interface VisualReaderOptions {
  readonly image: ImageInput;
  /** Applied in training only, alike to all frames of a clip. @default none */
  readonly augmentation?: Augmentation | undefined;
  /** The view that is shown outside training. @default the only one */
  readonly view?: VisualView;
}

/** How a batch of rows becomes patches. */
export type VisualReader = (batch: RecordBatch, options: CollateOptions) => ImagePatches;

/** Images or clips, as families see them. */
export interface VisualSource<Fields extends SettingFields = SettingFields> {
  /** What families of it begin with: `image`. */
  readonly name: string;
  /** One of them, in names of scores and tokens. */
  readonly noun: string;
  /** What stands in for a sample where it is compared by its pixels. */
  readonly still: string;
  /** Kinds of datasets that have classes, or captions, of them. */
  readonly kinds: { readonly labelled: string; readonly captioned: string };
  /** Settings of its tasks, beside those of images. */
  readonly settings: Fields;
  /** Images of a view: 1, or the frames of a clip's. */
  frames(settings: VisualSettings<Fields>): number;
  /** What a model keeps of them for evaluation and prediction. @default nothing */
  kept?(
    settings: VisualSettings<Fields>,
    dataset: Pick<DescribedDataset, 'settings'>,
  ): Readonly<Record<string, unknown>>;
  /**
   * How a task reads its rows: in training each is shown and changed by streams of its own.
   * @throws ConfigError
   */
  reader(options: VisualReaderOptions & VisualSettings<Fields>): VisualReader;
  /** The samples of a batch of rows, whole. */
  samples(batch: RecordBatch): readonly Clip[];
  /** How a task that a model was trained on has its samples shown. */
  shown(task: TrainedTask | undefined): ShownViews;
}
