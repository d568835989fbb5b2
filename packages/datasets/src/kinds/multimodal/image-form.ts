import { decodeImage } from '../../images/image-decode.ts';
import { fault, type Fault, type ImageContent, type SampleContent } from '../../samples/sample.ts';
import type { InputForm } from './input-form.ts';

const CHANNELS = 3;
const isChannels = (side: number): side is 1 | 3 | 4 => side === 1 || side === 3 || side === 4;

/** Numbers as pixels: whole ones of 0 to 255, or those of 0 to 1. */
const pixelsOf = (numbers: ArrayLike<number>): Uint8Array | undefined => {
  const all = Array.from(numbers);
  const scale = !(numbers instanceof Uint8Array) && all.every((value) => value >= 0 && value <= 1) ? 255 : 1;
  return all.every((value) => value >= 0 && value * scale <= 255)
    ? Uint8Array.from(all, (value) => Math.round(value * scale))
    : undefined;
};

/** An array of [H, W], [H, W, C] or [C, H, W] as an image. */
const imageOf = (id: string, content: SampleContent): ImageContent | Fault => {
  if (content.kind === 'path' || content.kind === 'bytes') return content;
  const bad = fault(
    id,
    'no-image',
    'expected a file of an image, or pixels [rows, columns] or [rows, columns, channels] of 0 to 255 or 0 to 1, got others',
  );
  if (content.kind !== 'values') return bad;
  const [height = 0, width = 0, last = 1] = content.shape;
  const pixels = pixelsOf(content.values as unknown as ArrayLike<number>);
  if (!pixels || content.shape.length > 3) return bad;
  if (isChannels(last)) return { kind: 'pixels', pixels, height, width, channels: last };
  if (!isChannels(height)) return bad;
  const area = width * last;
  const turned = Uint8Array.from(pixels, (_, i) => pixels[(i % height) * area + Math.floor(i / height)] ?? 0);
  return { kind: 'pixels', pixels: turned, height: width, width: last, channels: height };
};

/** Square RGB images of the suite's size. */
export const imageForm: InputForm = {
  name: 'image',
  summary: 'square images of the size of the suite',
  isMeasured: false,
  column: (imageSize) => ({ fixedList: 'uint8', size: Math.max(1, imageSize * imageSize * CHANNELS) }),
  async cell(content, { id, image }) {
    const source = imageOf(id, content);
    if (source.kind === 'fault') return source;
    const decoded = await decodeImage(id, source, image);
    return decoded.kind === 'fault' ? decoded : decoded.pixels;
  },
  missing: (imageSize) => new Uint8Array(Math.max(1, imageSize * imageSize * CHANNELS)),
  synthetic: ({ imageSize, random }) =>
    Uint8Array.from({ length: imageSize * imageSize * CHANNELS }, () => random.integer(256)),
};
