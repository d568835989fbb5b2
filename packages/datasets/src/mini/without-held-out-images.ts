/**
 * Drawings repeat: vendors draw two emoji alike, clip art has one drawing under two names. What training shows pixel for
 * pixel of another split is left out of training.
 */
import { createHash } from 'node:crypto';
import { decodeImage } from '../images/image-decode.ts';
import { selectSamples } from '../samples/select-samples.ts';
import { fault, type ReaderItem } from '../samples/sample.ts';
import type { MiniSet } from './mini-set.ts';

/**
 * The set without training images that another split shows, which become faults. The first reading draws all of them.
 * @param size side in pixels at which images are compared, on white
 */
export const withoutHeldOutImages = <Split extends string>(
  { reader, splitOf }: MiniSet<Split>,
  size: number,
): MiniSet<Split> => {
  let shared: ReadonlyMap<string, string> | undefined;
  /** Ids of training samples that show what a held-out one does, with the id of that. */
  const find = async (): Promise<ReadonlyMap<string, string>> => {
    const held = new Map<string, string>();
    const trained: (readonly [id: string, key: string])[] = [];
    for await (const sample of selectSamples(reader, { accept: () => true })) {
      const image = sample.image && (await decodeImage(sample.id, sample.image, { size }));
      if (image?.kind !== 'image') continue;
      const key = createHash('sha1').update(image.pixels).digest('base64');
      if (splitOf(sample) === 'train') trained.push([sample.id, key]);
      else held.set(key, sample.id);
    }
    return new Map(
      trained.flatMap(([id, key]) => {
        const other = held.get(key);
        return other === undefined ? [] : [[id, other] as const];
      }),
    );
  };
  return {
    splitOf,
    reader: {
      ...reader,
      async *read(): AsyncGenerator<ReaderItem> {
        shared ??= await find();
        for await (const item of reader.read()) {
          const other = item.kind === 'sample' ? shared.get(item.id) : undefined;
          yield other === undefined
            ? item
            : fault(item.id, 'shared-with-held-out', `expected an image of its own, got that of ${other}`);
        }
      },
    },
  };
};
