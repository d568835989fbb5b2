import { z } from 'zod';
import { runningTextNamed, runningTextNames } from '../mini/texts/text-registry.ts';
import { withoutHeldOut } from '../mini/texts/without-held-out.ts';
import { defineReader } from './dataset-reader.ts';
import { countSetting } from './reader-settings.ts';

/** Texts to learn language from; whole documents are validation. */
export const runningTextReader = defineReader({
  name: 'running-text',
  summary: 'speeches, a novel, two translations of the Bible, glosses, fortunes and mails, from packages',
  needs: 'no path: its data comes as packages',
  settings: {
    /** Which texts. @default all */
    texts: z
      .array(
        z.string().refine((name) => runningTextNames().includes(name), {
          error: () => `expected a running text: ${runningTextNames().join(', ')}`,
        }),
      )
      .min(1)
      .optional(),
    /** Every n-th document or gloss is used. */
    every: countSetting(1e6).default(1),
  },
  kinds: ['text'],
  paths: {},
  givesPlans: true,
  dataSources: ({ texts }) => [
    ...new Set((texts ?? runningTextNames()).flatMap((name) => runningTextNamed(name).sources)),
  ],
  async open({ texts = runningTextNames(), every }, { key, packages }) {
    const records = texts.map(runningTextNamed);
    const sets = [];
    for (const { load } of records) sets.push(await load({ every, packages }));
    return {
      name: key,
      kind: 'text',
      splits: ['train', 'validation'],
      parts: await withoutHeldOut(sets),
      extra: ['source'],
      packages: [...new Set(records.flatMap(({ sources }) => sources))],
    };
  },
});
