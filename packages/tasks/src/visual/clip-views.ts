/**
 * Views of a prepared clip: which of its frames a model looks at.
 *
 * T frames of a view · S frames of the clip
 */

export interface ViewSettings {
  /** T */
  readonly frames: number;
  /** Frames from one that is taken to the next. */
  readonly stride: number;
}

/** Largest start with which a view lies inside a clip; 0 where the clip is shorter than a view. */
export const lastStart = (count: number, { frames, stride }: ViewSettings): number =>
  Math.max(0, count - ((frames - 1) * stride + 1));

/** Indices of the T frames of a view; past the end of a short clip its last frame is repeated. */
export const viewFrames = (count: number, start: number, { frames, stride }: ViewSettings): number[] =>
  Array.from({ length: frames }, (_, t) => Math.min(start + t * stride, count - 1));

/**
 * Start of view `view` of `views`: spread evenly from the first start that fits to the last; a single view lies in the
 * middle.
 */
export const viewStart = (last: number, view: number, views: number): number =>
  views <= 1 ? Math.floor(last / 2) : Math.round((view * last) / (views - 1));
