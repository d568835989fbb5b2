/** Leakage rules by name: those of the mini suite and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { clipArtExclusions } from './clip-art-exclusions.ts';
import { disjointColumn } from './disjoint-column.ts';
import { equalImages } from './equal-images.ts';
import { heldOutNames } from './held-out-names.ts';
import type { LeakageRule } from './leakage-rule.ts';
import { wholeDocuments } from './whole-documents.ts';
import { wordNetLemmas } from './wordnet-lemmas.ts';

const registry = createRegistry<LeakageRule>('leakage rule', [
  disjointColumn({
    name: 'emoji-concepts',
    summary: 'no concept of emoji, of whichever vendor, is trained on and held out',
    column: 'concept',
    sharing: ['unseen-vendor'],
  }),
  heldOutNames,
  wordNetLemmas,
  disjointColumn({
    name: 'wordnet-tasks',
    summary: 'no lemma is trained on in one task of WordNet and held out in another one',
    column: 'lemma',
  }),
  disjointColumn({
    name: 'bible-books',
    summary: 'books of the Bible that are held out are so in both translations',
    column: 'book',
  }),
  wholeDocuments,
  disjointColumn({
    name: 'sprite-sheets',
    summary: 'no sheet of sprites is on both sides',
    column: 'sheet',
  }),
  disjointColumn({
    name: 'sprite-units',
    summary: 'no family of enemies, and no pair of weapon and outfit, is on both sides',
    column: 'unit',
  }),
  disjointColumn({
    name: 'clip-art-series',
    summary: 'drawings of one series are on one side',
    column: 'series',
  }),
  clipArtExclusions,
  disjointColumn({
    name: 'icon-bases',
    summary: 'variants of one icon are on one side',
    column: 'base',
  }),
  disjointColumn({
    name: 'digit-sides',
    summary: 'digits keep their side in clips that are made of them',
    column: 'digit',
  }),
  disjointColumn({
    name: 'mail-subjects',
    summary: 'mails of one subject are on one side',
    column: 'thread',
  }),
  equalImages,
]);

/** Adds a rule to the checks of suites. @throws ConfigError for a name that is taken */
export const registerLeakageRule = registry.register;
/** All rules, those of this package first. */
export const leakageRules = registry.all;
