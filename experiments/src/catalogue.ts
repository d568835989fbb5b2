/** The experiments by name; a new one is an entry here. */
import { unknownName } from '@polygate/core';
import { metrics } from './base-recipe.ts';
import type { Experiment, Variant } from './experiment.ts';

const dense: Variant = { name: 'dense', label: 'dense', experts: null };
const byCondition = (condition: string): Variant => ({
  name: condition,
  label: condition,
  experts: { condition },
});
const attribute = byCondition('attribute');
/** Without limits on slots: what a token gets then does not depend on the others in its batch. */
const dropless = (condition: string): Variant => ({
  name: `${condition}-dropless`,
  label: `${condition}, all choices served`,
  experts: { condition, capacityFactor: 'dropless' },
});

const placed = (
  name: string,
  label: string,
  placement: { readonly every?: number; readonly attention?: boolean; readonly ffn?: boolean },
): Variant => ({ name, label, experts: { condition: 'attribute', ...placement } });

const sized = (experts: number, topK: number): Variant => ({
  name: `experts-${experts}-top-${topK}`,
  label: `${experts} expert${experts === 1 ? '' : 's'}, top-${topK}`,
  experts: experts === 8 && topK === 2 ? attribute.experts : { condition: 'attribute', experts, topK },
});

export const experiments: Readonly<Record<string, Experiment>> = Object.freeze({
  table3: {
    name: 'table3',
    title: 'Routing conditions',
    question:
      'Do conditional experts mitigate the interference of a dense model that is trained jointly on classification, masked tokens and captioning, and which condition does it best? (Uni-Perceiver-MoE, Table 3)',
    baseline: 'dense',
    variants: [
      dense,
      { name: 'task-specific', label: 'task-specific parameters', experts: { condition: 'task-specific' } },
      ...['token', 'context', 'modality', 'task'].map(byCondition),
      attribute,
      ...['token', 'context'].map(dropless),
    ],
    metrics,
  },
  table11: {
    name: 'table11',
    title: 'Placement of the experts',
    question:
      'In how many layers, and in which of their parts, are attribute-routed experts needed? (Uni-Perceiver-MoE, Table 11)',
    baseline: 'dense',
    variants: [
      dense,
      placed('every-4', 'every fourth layer', { every: 4 }),
      placed('every-2', 'every other layer', { every: 2 }),
      placed('ffn', 'feed-forward parts of all layers', { attention: false }),
      placed('attention', 'attention parts of all layers', { ffn: false }),
      { ...attribute, label: 'both parts of all layers' },
    ],
    metrics,
  },
  table1: {
    name: 'table1',
    title: 'Interference between tasks',
    question:
      'How does a step of one task change the loss of another, in a shallow and in the last layer, dense and with attribute-routed experts? (Uni-Perceiver-MoE, equations 1 and 2, Table 1)',
    baseline: 'dense',
    variants: [dense, attribute],
    metrics,
    interference: {
      layers: [2, 4],
      linears: ['ffn.fc2'],
      batches: 24,
      directions: 4,
      checkpoints: ['step-500', 'step-1500'],
      updates: 64,
      rounds: 6,
    },
  },
  experts: {
    name: 'experts',
    title: 'Number of experts',
    question: 'How many attribute-routed experts, and how many of them for each decision, are worth having?',
    baseline: 'dense',
    variants: [
      dense,
      sized(1, 1),
      sized(2, 2),
      sized(4, 2),
      sized(8, 1),
      sized(8, 2),
      sized(8, 4),
      sized(16, 2),
    ],
    metrics,
  },
});

/** @throws ConfigError listing the known names */
export const experimentNamed = (name: string): Experiment => {
  const experiment = experiments[name];
  if (!experiment) throw unknownName('experiment', name, Object.keys(experiments));
  return experiment;
};
