/**
 * What an SM^4 changes of itself while it trains: experts of each modality by its validation loss (AEA), and the pace of
 * each modality by its routers (ALP). Ends of epochs follow algorithm 5: first AEA, then ALP. Plain JSON, part of every
 * checkpoint.
 */
import { allocate, startAllocation, type Allocation } from './expert-allocation.ts';
import { addToPace, endPace, paceOf, startPace, type PaceEntry, type PaceState } from './learning-pace.ts';
import type { AllocationSettings, PaceSettings } from './settings.ts';

/** A modality of a task, or of all tasks (an empty name). */
interface Allocated {
  readonly task: string;
  readonly modality: string;
  readonly state: Allocation;
}

/** What is saved. */
export interface SavedState {
  readonly epoch: number;
  readonly allocation: readonly Allocated[];
  readonly pace: PaceState;
}

/** What is adapted, and how. */
export interface AdaptiveRules {
  readonly allocation: AllocationSettings | null;
  readonly pace: PaceSettings | null;
  /** Experts of a group. */
  readonly experts: number;
  /** Experts that a token chooses at first. */
  readonly topK: number;
  /** Modalities of each task. */
  readonly tasks: ReadonlyMap<string, readonly string[]>;
}

/** Measure of a validation that tells the loss of a modality. */
export const modalityLoss = (modality: string): string => `loss-${modality}`;

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Allocation and pace of a model. */
export class AdaptiveState {
  readonly #rules: AdaptiveRules;
  #epoch = 0;
  #allocated: readonly Allocated[];
  #pace: PaceState = startPace;

  constructor(rules: AdaptiveRules) {
    this.#rules = rules;
    const { allocation, tasks, topK } = rules;
    const pairs = [...tasks].flatMap(([task, modalities]) =>
      [...new Set(modalities)].map((modality) => ({
        task: allocation?.by === 'modality' ? '' : task,
        modality,
      })),
    );
    this.#allocated = pairs
      .filter(
        (pair, at) =>
          pairs.findIndex(({ task, modality }) => task === pair.task && modality === pair.modality) === at,
      )
      .map((pair) => ({ ...pair, state: startAllocation(topK) }));
  }

  /** Whether a number of experts may still change, so that losses are of use. */
  get isOpen(): boolean {
    return this.#rules.allocation !== null && this.#allocated.some(({ state }) => state.open);
  }

  /** Experts that tokens of a modality choose; undefined where the configuration decides. */
  expertsOf(task: string, modality: string): number | undefined {
    const { allocation } = this.#rules;
    if (!allocation) return undefined;
    const taskName = allocation.by === 'modality' ? '' : task;
    return this.#allocated.find((each) => each.task === taskName && each.modality === modality)?.state.k;
  }

  /** Weight of the tokens of a modality in weight gradients. */
  paceOf(task: string, modality: string): number {
    return this.#rules.pace ? paceOf(this.#pace, { task, modality }) : 1;
  }

  /** Takes what routers did in a step of training. */
  observe(entries: readonly PaceEntry[]): void {
    if (this.#rules.pace) this.#pace = addToPace(this.#pace, entries);
  }

  /**
   * The end of an epoch.
   * @param values of a validation, by `<task>/<split>/<measure>`; of several splits of a task their mean counts
   */
  endEpoch(values: Readonly<Record<string, number>>): void {
    this.#epoch += 1;
    const { allocation, pace, tasks, experts } = this.#rules;
    if (allocation) {
      const lossOf = (task: string, modality: string): number => {
        const measure = allocation.loss === 'alone' ? modalityLoss(modality) : 'loss';
        const perHead = Object.entries(values).flatMap(([name, value]) =>
          name.startsWith(`${task}/`) && name.endsWith(`/${measure}`) ? [value] : [],
        );
        return mean(perHead);
      };
      const rule = { ...allocation, most: Math.min(allocation.most ?? experts, experts) };
      this.#allocated = this.#allocated.map((each) => {
        const losses = [...tasks].flatMap(([task, modalities]) =>
          modalities.includes(each.modality) && (each.task === '' || each.task === task)
            ? [lossOf(task, each.modality)]
            : [],
        );
        // A task without a validation split says nothing of its modalities.
        return { ...each, state: allocate(each.state, mean(losses.filter(Number.isFinite)), rule) };
      });
    }
    if (pace) this.#pace = endPace(this.#pace, pace);
  }

  /** What a record of the epoch says, beside its number. */
  describe(): Readonly<Record<string, unknown>> {
    const { allocation, pace } = this.#rules;
    return {
      ...(allocation
        ? {
            experts: this.#allocated.map(({ task, modality, state: { k, best, open } }) => ({
              ...(task === '' ? {} : { task }),
              ...{ modality, k, best, open },
            })),
          }
        : {}),
      ...(pace ? { pace: this.#pace.weights } : {}),
    };
  }

  /** Plain JSON. */
  save(): SavedState {
    return { epoch: this.#epoch, allocation: this.#allocated, pace: this.#pace };
  }

  /** Takes over what was saved, of the modalities that both know. */
  restore({ epoch, allocation, pace }: SavedState): void {
    this.#epoch = epoch;
    this.#allocated = this.#allocated.map(
      (entry) =>
        allocation.find(({ task, modality }) => task === entry.task && modality === entry.modality) ?? entry,
    );
    this.#pace = pace;
  }
}
