/** Which frames of a clip are kept when it is prepared. */

export interface ClipSampling {
  /** Most frames that are kept. */
  readonly frames: number;
  /**
   * Every `stride`-th frame is kept, from the middle part where that gives more than `frames`; `auto`: the least stride
   * with which the frames that are kept span the whole clip.
   */
  readonly stride: number | 'auto';
}

/**
 * Indices of the frames that are kept, ascending.
 * @param total frames of the clip
 */
export const sampledFrames = (total: number, { frames, stride }: ClipSampling): number[] => {
  const step = stride === 'auto' ? Math.max(1, Math.ceil(total / frames)) : stride;
  const count = Math.min(frames, Math.ceil(total / step));
  // Unused frames are left out evenly at both ends.
  const unused = total - ((count - 1) * step + 1);
  const start = Math.floor(unused / 2);
  return Array.from({ length: count }, (_, index) => start + index * step);
};
