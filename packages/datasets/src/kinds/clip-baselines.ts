/** The nearest training clip by pixels: its frames in grey, small, one below another, so that a clip is one tall image. */
import { accuracy, neighbourLabels, shrinkImages, type ImageSet } from '@polygate/evaluation';
import { listRow, values } from '@polygate/stream';
import { splitFolder, type BaselineScores } from '../suite/suite.ts';
import type { BaselineContext } from './dataset-kind.ts';
import { labelBaselines } from './label-baselines.ts';
import { readRows } from './written-rows.ts';

/** Pairs of training and evaluation clips beyond which the nearest neighbour is left out. */
const MAX_NEIGHBOUR_PAIRS = 2e7;
/** Side to which frames are shrunk, and frames that are compared. */
const SIDE = 16;
const FRAMES = 8;

interface LabelledClips {
  readonly clips: ImageSet;
  readonly labels: readonly number[];
}

/** [FRAMES·SIDE·SIDE] grey bytes of a clip; of fewer frames those nearest in time are repeated. */
const smallClip = (frames: Uint8Array, count: number, size: number): Uint8Array => {
  const area = size * size;
  const grey = new Uint8Array(count * area);
  for (let i = 0; i < grey.length; i += 1) {
    const at = i * 3;
    grey[i] = Math.round(((frames[at] ?? 0) + (frames[at + 1] ?? 0) + (frames[at + 2] ?? 0)) / 3);
  }
  const small = shrinkImages({ pixels: grey, height: size, width: size, channels: 1 }, SIDE);
  const cell = small.height * small.width;
  const out = new Uint8Array(FRAMES * cell);
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const from = Math.floor((frame * count) / FRAMES);
    out.set(small.pixels.subarray(from * cell, (from + 1) * cell), frame * cell);
  }
  return out;
};

const readClips = async (folder: string, size: number): Promise<LabelledClips> => {
  const rows = await readRows(folder, (batch, row) => ({
    pixels: smallClip(
      Uint8Array.from(listRow(batch, 'frames', row) as Iterable<number>),
      Math.max(1, Number(values(batch, 'frame_count')[row] ?? 1)),
      size,
    ),
    label: Number(values(batch, 'label')[row] ?? -1),
  }));
  const side = Math.min(SIDE, size);
  return {
    clips: {
      pixels: Buffer.concat(rows.map(({ pixels }) => pixels)),
      height: FRAMES * side,
      width: side,
      channels: 1,
    },
    labels: rows.map(({ label }) => label),
  };
};

/** Chance, majority and, where there are few enough clips, the class of the nearest training clip. */
export const clipBaselines = async (context: BaselineContext): Promise<Record<string, BaselineScores>> => {
  const { directory, dataset, imageSize } = context;
  const out: Record<string, BaselineScores> = await labelBaselines(context);
  const training = dataset.splits['train']?.rows ?? 0;
  let trained: LabelledClips | undefined;
  for (const [split, scores] of Object.entries(out)) {
    if ((dataset.splits[split]?.rows ?? 0) * training > MAX_NEIGHBOUR_PAIRS) continue;
    trained ??= await readClips(splitFolder(directory, dataset, 'train'), imageSize);
    const asked = await readClips(splitFolder(directory, dataset, split), imageSize);
    const answers = neighbourLabels(asked.clips, trained.clips, trained.labels);
    out[split] = { ...scores, pixelNearestNeighbour: accuracy(answers, asked.labels).value };
  }
  return out;
};
