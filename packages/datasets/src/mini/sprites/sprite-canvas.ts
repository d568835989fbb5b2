/** Sprites laid on a canvas by their anchors. Axis legend: H rows · W columns · RGBA bytes, not premultiplied. */
import sharp from 'sharp';
import type { SpriteFrame } from './animation.ts';

/** A decoded sheet: [H, W, 4]. */
export interface SpriteSheet {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Decodes a sheet's file. */
export const decodeSheet = async (bytes: Uint8Array): Promise<SpriteSheet> => {
  const { data, info } = await sharp(bytes, { failOn: 'error' })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { pixels: data, width: info.width, height: info.height };
};

/** A square canvas and where on it the anchors lie, in pixels. */
export interface SpriteCanvas {
  readonly side: number;
  readonly anchorX: number;
  readonly anchorY: number;
}

/** The least square canvas on which all of the frames have room, their anchors on one place. */
export const canvasOf = (frames: Iterable<SpriteFrame>): SpriteCanvas => {
  let [left, top, right, bottom] = [0, 0, 0, 0];
  for (const { width, height, anchorX, anchorY } of frames) {
    left = Math.max(left, anchorX);
    top = Math.max(top, anchorY);
    right = Math.max(right, width - anchorX);
    bottom = Math.max(bottom, height - anchorY);
  }
  const side = Math.max(1, left + right, top + bottom);
  return {
    side,
    anchorX: left + Math.floor((side - left - right) / 2),
    anchorY: top + Math.floor((side - top - bottom) / 2),
  };
};

/** One layer of a frame. */
export interface SpriteLayer {
  readonly sheet: SpriteSheet;
  readonly frame: SpriteFrame;
}

/** The layers on top of each other, the first at the bottom: [side, side, 4]. What lies beyond the canvas is cut. */
export const composeFrame = (layers: readonly SpriteLayer[], canvas: SpriteCanvas): Uint8Array => {
  const { side } = canvas;
  const out = new Uint8Array(side * side * 4);
  for (const { sheet, frame } of layers) {
    const [left, top] = [canvas.anchorX - frame.anchorX, canvas.anchorY - frame.anchorY];
    const width = Math.min(frame.width, sheet.width - frame.x, side - left);
    const height = Math.min(frame.height, sheet.height - frame.y, side - top);
    for (let y = Math.max(0, -top); y < height; y += 1) {
      for (let x = Math.max(0, -left); x < width; x += 1) {
        const from = ((frame.y + y) * sheet.width + frame.x + x) * 4;
        const alpha = sheet.pixels[from + 3] as number;
        if (alpha === 0) continue;
        const to = ((top + y) * side + left + x) * 4;
        // Porter-Duff "over" in bytes: under what is half transparent the lower layers shine through.
        const below = ((out[to + 3] as number) * (255 - alpha)) / 255;
        const sum = alpha + below;
        for (let c = 0; c < 3; c += 1) {
          out[to + c] = Math.round(
            ((sheet.pixels[from + c] as number) * alpha + (out[to + c] as number) * below) / sum,
          );
        }
        out[to + 3] = Math.round(sum);
      }
    }
  }
  return out;
};
