import { isValidationSynset } from '../wordnet.ts';
import { FindingCounter, type LeakageRule } from './leakage-rule.ts';

/** Lines of WordNet are `lemma, lemma: definition; "example"`. */
const parse = (line: string): { readonly lemmas: readonly string[]; readonly texts: readonly string[] } => {
  const colon = line.indexOf(': ');
  const gloss = line.slice(colon + 2);
  return {
    lemmas: line
      .slice(0, colon)
      .split(', ')
      .map((lemma) => lemma.replaceAll(' ', '_')),
    texts: [
      gloss.split('; "')[0] ?? '',
      ...[...gloss.matchAll(/"([^"]+)"/gu)].map((match) => match[1] ?? ''),
    ],
  };
};

export const wordNetLemmas: LeakageRule = Object.freeze({
  name: 'wordnet-text',
  summary: 'no gloss or example of a held-out lemma is in the training text',
  async check(suite) {
    const counter = new FindingCounter();
    for (const dataset of suite.suite.datasets) {
      if (dataset.kind !== 'text' || !dataset.splits['train']) continue;
      const held = new Set<string>();
      for (const split of Object.keys(dataset.splits)) {
        if (split === 'train') continue;
        for await (const { source, line } of suite.lines(dataset, split))
          if (source === 'wordnet') parse(line).texts.forEach((text) => held.add(text));
      }
      for await (const { source, line } of suite.lines(dataset, 'train')) {
        if (source !== 'wordnet') continue;
        counter.add();
        const { lemmas, texts } = parse(line);
        if (isValidationSynset(lemmas)) counter.violate(`${dataset.name}/train has "${line.slice(0, 60)}"`);
        else {
          const shared = texts.find((text) => text !== '' && held.has(text));
          if (shared !== undefined) counter.violate(`${dataset.name}/train has "${shared.slice(0, 60)}"`);
        }
      }
    }
    return counter.finding();
  },
} satisfies LeakageRule);
