/**
 * Frames of an animated PNG: each is decoded as a PNG of its own and laid on the canvas as its control chunk says.
 * Source of the format: PNG specification, third edition, 11.3.6 (acTL, fcTL, fdAT).
 */
import sharp from 'sharp';
import { crc32, FormatError } from '@polygate/core';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Length, type and checksum of a chunk. */
const CHUNK_FRAME = 12;
/** Chunks that say how pixels are read; each frame needs them. */
const shared: ReadonlySet<string> = new Set(['PLTE', 'tRNS', 'gAMA', 'cHRM', 'sRGB', 'iCCP', 'sBIT', 'cICP']);
const DISPOSE_BACKGROUND = 1;
const DISPOSE_PREVIOUS = 2;
const BLEND_OVER = 1;
/** Most frames of a file. */
const MAX_FRAMES = 1 << 16;

/** Where a frame lies on the canvas, pixels, and how it is laid there. */
interface FrameControl {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
  readonly dispose: number;
  readonly blend: number;
}

interface Frame {
  readonly control: FrameControl;
  /** Parts of its compressed pixels. */
  readonly data: Uint8Array[];
}

/** An animated PNG before its frames are decoded. */
export interface AnimatedPng {
  readonly width: number;
  readonly height: number;
  readonly frames: readonly Frame[];
  readonly header: Uint8Array;
  readonly shared: readonly Uint8Array[];
}

const refuse = (expected: string, got: string): FormatError =>
  new FormatError(`animated PNG: expected ${expected}, got ${got}; the file is damaged: write it again`, {
    code: 'apng',
  });

const chunk = (type: string, body: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(CHUNK_FRAME + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  bytes.set(Buffer.from(type, 'latin1'), 4);
  bytes.set(body, 8);
  view.setUint32(8 + body.length, crc32(bytes.subarray(4, 8 + body.length)));
  return bytes;
};

const controlOf = (
  body: DataView,
  canvas: { readonly width: number; readonly height: number },
): FrameControl => {
  if (body.byteLength < 26) throw refuse('fcTL of 26 bytes', `${body.byteLength}`);
  const [width, height, left, top] = [4, 8, 12, 16].map((at) => body.getUint32(at)) as [
    number,
    number,
    number,
    number,
  ];
  if (width === 0 || height === 0 || left + width > canvas.width || top + height > canvas.height)
    throw refuse(
      `frames inside ${canvas.width} x ${canvas.height}`,
      `${width} x ${height} at ${left}, ${top}`,
    );
  return { width, height, left, top, dispose: body.getUint8(24), blend: body.getUint8(25) };
};

/** Parses the chunks. @returns undefined for bytes that are no PNG or hold no animation. @throws FormatError */
export const parseApng = (bytes: Uint8Array): AnimatedPng | undefined => {
  if (!SIGNATURE.every((byte, at) => bytes[at] === byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Frame[] = [];
  const kept: Uint8Array[] = [];
  let header: Uint8Array | undefined;
  let announced = 0;
  let canvas = { width: 0, height: 0 };
  let at = SIGNATURE.length;
  while (at + CHUNK_FRAME <= bytes.length) {
    const length = view.getUint32(at);
    const type = Buffer.from(bytes.subarray(at + 4, at + 8)).toString('latin1');
    if (length > bytes.length - at - CHUNK_FRAME)
      throw refuse(`${length} bytes of ${type}`, 'the end of the file');
    const body = bytes.subarray(at + 8, at + 8 + length);
    const fields = new DataView(body.buffer, body.byteOffset, body.byteLength);
    at += CHUNK_FRAME + length;
    if (type === 'IHDR') {
      if (length < 13) throw refuse('IHDR of 13 bytes', `${length}`);
      header = body;
      canvas = { width: fields.getUint32(0), height: fields.getUint32(4) };
    } else if (type === 'acTL') {
      if (length < 8) throw refuse('acTL of 8 bytes', `${length}`);
      announced = Math.max(1, fields.getUint32(0));
    } else if (type === 'fcTL') {
      if (frames.length >= MAX_FRAMES) throw refuse(`at most ${MAX_FRAMES} frames`, 'more');
      frames.push({ control: controlOf(fields, canvas), data: [] });
    }
    // Pixels before the first control chunk are the image for those who show no animation.
    else if (type === 'IDAT') frames.at(-1)?.data.push(body);
    else if (type === 'fdAT') frames.at(-1)?.data.push(body.subarray(4));
    else if (shared.has(type)) kept.push(chunk(type, body));
    else if (type === 'IEND') break;
  }
  if (announced === 0 || !header) return undefined;
  const whole = frames.filter(({ data }) => data.length > 0);
  if (whole.length < announced) throw refuse(`${announced} frames, as acTL says`, `${whole.length}`);
  return { ...canvas, frames: whole, header, shared: kept };
};

/** A frame's own pixels. [height·width·4] */
const decodeFrame = async ({ control, data }: Frame, png: AnimatedPng): Promise<Uint8Array> => {
  const header = Uint8Array.from(png.header);
  const view = new DataView(header.buffer);
  view.setUint32(0, control.width);
  view.setUint32(4, control.height);
  const parts = [
    SIGNATURE,
    chunk('IHDR', header),
    ...png.shared,
    ...data.map((body) => chunk('IDAT', body)),
    chunk('IEND', new Uint8Array(0)),
  ];
  return sharp(Buffer.concat(parts), { failOn: 'error' })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer();
};

/** Lays a frame on the canvas; with `over`, by its alpha. */
const lay = (canvas: Uint8Array, png: AnimatedPng, pixels: Uint8Array, control: FrameControl): void => {
  const over = control.blend === BLEND_OVER;
  for (let y = 0; y < control.height; y += 1) {
    for (let x = 0; x < control.width; x += 1) {
      const from = (y * control.width + x) * 4;
      const to = ((control.top + y) * png.width + control.left + x) * 4;
      const alpha = (pixels[from + 3] ?? 0) / 255;
      if (!over || alpha === 1) canvas.set(pixels.subarray(from, from + 4), to);
      else if (alpha > 0) {
        const below = ((canvas[to + 3] ?? 0) / 255) * (1 - alpha);
        const sum = alpha + below;
        for (let channel = 0; channel < 3; channel += 1) {
          const mixed = (pixels[from + channel] ?? 0) * alpha + (canvas[to + channel] ?? 0) * below;
          canvas[to + channel] = Math.round(mixed / sum);
        }
        canvas[to + 3] = Math.round(sum * 255);
      }
    }
  }
};

const clear = (canvas: Uint8Array, png: AnimatedPng, { left, top, width, height }: FrameControl): void => {
  for (let y = top; y < top + height; y += 1)
    canvas.fill(0, (y * png.width + left) * 4, (y * png.width + left + width) * 4);
};

/** The canvas after each frame, up to the last one that is wanted. [height·width·4], a copy each */
export async function* apngFrames(png: AnimatedPng, wanted: readonly number[]): AsyncGenerator<Uint8Array> {
  const canvas = new Uint8Array(png.width * png.height * 4);
  const last = Math.max(...wanted);
  for (const [index, frame] of png.frames.entries()) {
    if (index > last) return;
    const { control } = frame;
    const before = control.dispose === DISPOSE_PREVIOUS ? Uint8Array.from(canvas) : undefined;
    lay(canvas, png, await decodeFrame(frame, png), control);
    if (wanted.includes(index)) yield Uint8Array.from(canvas);
    if (before) canvas.set(before);
    else if (control.dispose === DISPOSE_BACKGROUND) clear(canvas, png, control);
  }
}
