/** Token-F1 of written captions on a few images, articles included: what a reader of captions sees, beside the loss. */
import { captionWords, tokenF1 } from '@polygate/evaluation';
import { type Generalist, type OpenSuite } from '@polygate/generalist';
import { caption, imagePatches, splitBatches } from '@polygate/tasks';
import { nestedListRow } from '@polygate/stream';
import type { RunOrder } from './plan.ts';

/** Images whose captions are written; beam search takes a forward a word. */
const IMAGES = 96;
const LONGEST = 12;

/** @returns undefined for a run without captioning */
export const captionWordScore = async (
  order: RunOrder,
  { model, data }: { readonly model: Generalist; readonly data: OpenSuite },
): Promise<{ readonly task: string; readonly tokenF1: number } | undefined> => {
  const scored = order.scored.find(({ task }) => order.recipe.tasks[task]?.family === 'image-captioning');
  const dataset = scored && order.recipe.tasks[scored.task]?.dataset;
  if (!scored || dataset === undefined) return undefined;
  const shards = await data.shards(dataset, scored.split);
  const pairs: { candidate: string; references: string[] }[] = [];
  for await (const rows of splitBatches(shards, { limit: IMAGES, seed: 1, batchSize: 48 })) {
    const written = await caption(model, imagePatches(rows, model.image), {
      maximumTokens: LONGEST,
      beam: 1,
      lengthPenalty: 1,
      finished: 'aside',
    });
    written.forEach((texts, row) => {
      const references = nestedListRow(rows, 'captions', row).map((tokens) =>
        model.tokenizer.decode(Int32Array.from(tokens)),
      );
      pairs.push({ candidate: texts[0]?.text ?? '', references });
    });
  }
  return { task: scored.task, tokenF1: tokenF1(pairs, captionWords).value };
};
