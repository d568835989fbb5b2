/** What a model's start from another one took: a record for the run folder, and one line for people. */
import { basename } from 'node:path';
import type { StartReport } from './model.ts';

/** Parameters that got their values in one way for one reason. */
export interface TransferGroup {
  /** `taken`, `copied`, `averaged`, `partly taken`, `interpolated`, `new`; or `left behind` of parameters of the start. */
  readonly how: string;
  /** Absent where they were taken as they are. */
  readonly reason?: string;
  /** Names. */
  readonly parameters: readonly string[];
}

/** The weights that a model started from. */
export interface StartWeights {
  /** As the recipe names it. */
  readonly from: string;
  /** Folder of the weights: `from` itself or one of its checkpoints. */
  readonly folder: string;
  /** Of its model.safetensors. */
  readonly sha256: string;
}

/** A start from other weights. Plain JSON: the run folder keeps it as `initialize.json`. */
export interface Initialization extends StartWeights {
  /** Of the checkpoint, where the weights are one. */
  readonly step?: number;
  /** Parameters of the model. */
  readonly total: number;
  /** Every parameter of the model, by how it got its values and why. */
  readonly groups: readonly TransferGroup[];
  /** Parameters of the start that the model has no place for. */
  readonly left: readonly TransferGroup[];
  /** Settings that differ and change what the same weights compute, with both values. */
  readonly settings: readonly string[];
}

interface Transferred {
  readonly name: string;
  readonly how: string;
  readonly reason?: string | undefined;
}

const grouped = (entries: readonly Transferred[]): readonly TransferGroup[] => {
  const groups = new Map<string, TransferGroup & { readonly parameters: string[] }>();
  for (const { name, how, reason } of entries) {
    const key = JSON.stringify([how, reason]);
    const group = groups.get(key) ?? { how, ...(reason === undefined ? {} : { reason }), parameters: [] };
    group.parameters.push(name);
    groups.set(key, group);
  }
  return [...groups.values()];
};

/** The record of a plan that was carried out. */
export const initialization = (plan: StartReport, weights: StartWeights): Initialization => {
  const [, step] = /^step-(\d+)$/u.exec(basename(weights.folder)) ?? [];
  return {
    ...weights,
    ...(step === undefined ? {} : { step: Number(step) }),
    total: plan.entries.length,
    groups: grouped(plan.entries.map(({ name, source: { how }, reason }) => ({ name, how, reason }))),
    left: grouped(plan.left.map(({ name, reason }) => ({ name, how: 'left behind', reason }))),
    settings: plan.settings,
  };
};

const groupText = ({ how, reason, parameters }: TransferGroup): string => {
  const [only = ''] = parameters;
  const which = parameters.length === 1 ? ` (${only})` : '';
  return `${parameters.length} ${how}${which}${reason === undefined ? '' : `: ${reason}`}`;
};

/** One line: which weights, how many parameters were taken, and every other group with its reason. */
export const describeInitialization = (start: Initialization): string => {
  const { from, step, sha256, total, groups, left, settings } = start;
  const taken = groups.find(({ how }) => how === 'taken')?.parameters.length ?? 0;
  const others = [...groups.filter(({ how }) => how !== 'taken'), ...left];
  return [
    `start: ${step === undefined ? '' : `step ${step} of `}${from} (sha256 ${sha256.slice(0, 12)}): ${taken} of ${total} parameters taken as they are`,
    ...others.map(groupText),
    ...settings.map((setting) => `other setting ${setting}`),
  ].join('; ');
};
