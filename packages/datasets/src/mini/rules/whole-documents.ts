import { FindingCounter, type LeakageRule } from './leakage-rule.ts';

/** Shorter lines ("THE END", "Amen.") are in many documents. */
const LEAST_CHARACTERS = 40;

/** Whole documents are validation: speeches, chapters, books of the Bible, files of fortunes, mails. */
export const wholeDocuments: LeakageRule = Object.freeze({
  name: 'held-out-documents',
  summary: `no line of ${LEAST_CHARACTERS} characters or more is in training text and in held-out text`,
  async check(suite) {
    const counter = new FindingCounter();
    for (const dataset of suite.suite.datasets) {
      if (dataset.kind !== 'text' || !dataset.splits['train']) continue;
      const held = new Map<string, string>();
      for (const split of Object.keys(dataset.splits)) {
        if (split === 'train') continue;
        for await (const { source, line } of suite.lines(dataset, split))
          if (line.length >= LEAST_CHARACTERS) held.set(line, `${split} of ${source}`);
      }
      for await (const { source, line } of suite.lines(dataset, 'train')) {
        counter.add();
        const other = held.get(line);
        if (other !== undefined)
          counter.violate(`${dataset.name}/train of ${source}: "${line.slice(0, 60)}" is in ${other}`);
      }
    }
    return counter.finding();
  },
} satisfies LeakageRule);
