/** Images: header, budget and decoding of every format, and the images that predictions are made of. */
import { crc32 } from '@polygate/core';
import { decodeImage, isColour } from '@polygate/datasets';
import { readImage } from '@polygate/generalist';
import { measureImage } from '../../../packages/datasets/src/images/image-budget.ts';
import { frameCount } from '../../../packages/datasets/src/images/image-frames.ts';
import { edgeNumbers, pick } from '../byte-mutations.ts';
import { expectRight, type FuzzTarget, type Mutator } from '../target.ts';
import { fileIn, utf8 } from './reading.ts';
import { imageSeeds } from './images.ts';

const SIDE = 8;
const PNG_HEAD = 8;
/** Length, type and checksum of a PNG chunk. */
const FRAME = 12;

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

const chunksOf = (bytes: Uint8Array): Chunk[] | undefined => {
  const buffer = Buffer.from(bytes);
  if (buffer.length < PNG_HEAD || buffer.readUInt32BE(0) !== 0x89504e47) return undefined;
  const chunks: Chunk[] = [];
  for (let at = PNG_HEAD; at + FRAME <= buffer.length;) {
    const length = buffer.readUInt32BE(at);
    if (at + FRAME + length > buffer.length) break;
    chunks.push({
      type: buffer.toString('latin1', at + 4, at + 8),
      data: buffer.subarray(at + 8, at + 8 + length),
    });
    at += FRAME + length;
  }
  return chunks;
};

const formatChunk = ({ type, data }: Chunk): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
};

/** Damages the chunks of a PNG and makes their checksums fit again. */
const mutateChunks: Mutator = (bytes, random) => {
  const chunks = chunksOf(bytes);
  if (!chunks || chunks.length === 0) return bytes;
  const at = random.integer(chunks.length);
  const { type, data } = chunks[at] as Chunk;
  const copy = Buffer.from(data);
  switch (random.integer(5)) {
    case 0:
      chunks.splice(at, 1);
      break;
    case 1:
      chunks.splice(random.integer(chunks.length + 1), 0, { type, data });
      break;
    case 2:
      if (copy.length >= 4)
        copy.writeUInt32BE(pick(random, edgeNumbers) % 2 ** 32, 4 * random.integer(copy.length >> 2));
      chunks[at] = { type, data: copy };
      break;
    case 3:
      if (copy.length > 0) copy[random.integer(copy.length)] = random.integer(256);
      chunks[at] = { type, data: copy };
      break;
    default:
      chunks.splice(1, 0, {
        type: pick(random, ['acTL', 'PLTE', 'tRNS', 'iCCP', 'zTXt', 'eXIf', 'gAMA', 'IHDR', 'IDAT', 'IEND']),
        data: Buffer.from(copy.subarray(0, random.integer(64))),
      });
  }
  return Buffer.concat([bytes.subarray(0, PNG_HEAD), ...chunks.map(formatChunk)]);
};

/** Changes the numbers and references of an SVG. */
const mutateSvg: Mutator = (bytes, random) => {
  const text = Buffer.from(bytes).toString('latin1');
  if (!text.includes('<svg')) return bytes;
  const numbers = [...text.matchAll(/"\d[\d. ]*"/gu)];
  const match = numbers.length > 0 ? pick(random, numbers) : undefined;
  if (match && random.integer(2) === 0) {
    const value = pick(random, ['0', '-1', '1e9', '99999999', '1e-9', 'NaN', '0 0 0 0', '100%', '1e300']);
    return Buffer.from(
      `${text.slice(0, match.index + 1)}${value}${text.slice(match.index + match[0].length - 1)}`,
    );
  }
  const piece = pick(random, [
    '<image xlink:href="/etc/passwd" width="9" height="9"/>',
    '<image xlink:href="http://127.0.0.1:9/x.png" width="9" height="9"/>',
    '<style>@import url("/etc/passwd");</style>',
    '<g id="g"><use xlink:href="#g"/></g>',
    '<filter id="f"><feGaussianBlur stdDeviation="9999"/></filter><rect width="9" height="9" filter="url(#f)"/>',
    '<text x="1" y="9">text</text>',
    '<rect width="1e30" height="1e30"/>',
    `${'<g>'.repeat(300)}${'</g>'.repeat(300)}`,
  ]);
  const end = Math.max(0, text.lastIndexOf('</svg>'));
  return Buffer.from(`${text.slice(0, end)}${piece}${text.slice(end)}`);
};

const imageTarget: FuzzTarget = {
  name: 'image',
  errors: [],
  open: async () => ({
    seeds: await imageSeeds(),
    mutators: [mutateChunks, mutateSvg],
    async parse(bytes) {
      const { decoding: needed } = await measureImage(bytes, {}).catch(() => ({ decoding: 0 }));
      expectRight(Number.isFinite(needed) && needed >= 0, `${needed} bytes needed`);
      const frames = await frameCount(bytes);
      expectRight(Number.isSafeInteger(frames) && frames >= 1, `${frames} frames`);
      const result = await decodeImage('a', { kind: 'bytes', bytes }, { size: SIDE });
      if (result.kind === 'image')
        expectRight(result.pixels.length === SIDE * SIDE * 3, `${result.pixels.length} values`);
      else expectRight(result.reason.length < 500, `a reason of ${result.reason.length} characters`);
    },
  }),
};

const predictedImageTarget: FuzzTarget = {
  name: 'predict-image',
  errors: ['FormatError', 'StateError'],
  async open(folder) {
    const save = fileIn(folder, 'image');
    const image = {
      height: SIDE,
      width: SIDE,
      channels: 3,
      patch: 4,
      patchCount: 4,
      patchWidth: 48,
      pixels: SIDE * SIDE * 3,
    };
    return {
      seeds: await imageSeeds(),
      mutators: [mutateChunks],
      async parse(bytes) {
        const pixels = await readImage(await save(bytes), image as Parameters<typeof readImage>[1]);
        expectRight(pixels.length === image.pixels, `${pixels.length} values`);
      },
    };
  },
};

const colourTarget: FuzzTarget = {
  name: 'colour',
  errors: [],
  open: async () => ({
    seeds: [
      '#ffffff',
      '#fff',
      'white',
      'rgb(1, 2, 3)',
      'rgba(1,2,3,1)',
      'hsl(10 50% 50%)',
      'transparent',
    ].map(utf8),
    mutators: [],
    async parse(bytes) {
      isColour(Buffer.from(bytes).toString('utf8'));
    },
  }),
};

export const imageTargets: readonly FuzzTarget[] = [imageTarget, predictedImageTarget, colourTarget];
