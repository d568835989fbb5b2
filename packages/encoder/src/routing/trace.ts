/**
 * What the routers of one forward or several did, for the loss and for telemetry: decisions as sums by router and group of
 * tokens (those of one modality and attribute row). The caller makes a trace and passes it along; forwards add to it, and
 * nothing else keeps it.
 *
 * B batch · T length · N = B T tokens · G groups
 */
import { rowKey } from '@polygate/attributes';
import type { SequenceBatch } from '@polygate/modalities';
import {
  countRows,
  countTokens,
  type GateDecision,
  type RoutingCounts,
  type TokenDecision,
} from '@polygate/routers';
import type * as tf from '@tensorflow/tfjs';
import type { GateSite } from '../experts/sites.ts';
import type { SequenceLayout } from '../sequence/layout.ts';
import type { SequenceRows } from '../sequence/rows.ts';

/** Auxiliary losses of one forward whose routers look at tokens. They belong to the tidy around the forward. */
export interface AuxiliaryLosses {
  /** What is to be added to the loss of a training step: the losses of every router with their factors. */
  readonly weighted: tf.Scalar;
  /** Means over routers by name of the loss (`balance`, `z`, ...), without factors and gradients. */
  readonly means: Readonly<Record<string, tf.Scalar>>;
}

/** Sums over one group of tokens at one router. */
export interface GroupCounts {
  readonly modality: string;
  /** Attribute row as text, e.g. `10011001`. */
  readonly attributes: string;
  readonly task: string;
  readonly counts: RoutingCounts;
}

/** What one router did in one forward, as host values. */
export interface SiteReport extends GateSite {
  /** Groups that have tokens. */
  readonly groups: readonly GroupCounts[];
  /** Where the router looks at tokens: its losses without their factors. */
  readonly losses?: Readonly<Record<string, number>>;
}

/** Collects; make it with {@link createRoutingTrace}. */
export interface RoutingTrace {
  /** Whether reports are wanted: they cost a pass over all decisions. */
  readonly telemetry: boolean;
  /** One entry for each forward, in the order of the calls; none where routers don't look at tokens. */
  readonly losses: AuxiliaryLosses[];
  /** One entry for each router and forward. Forwards through cached merged weights decide nothing and add none. */
  readonly reports: SiteReport[];
}

/** @param options `telemetry`: whether reports are wanted (false) */
export const createRoutingTrace = (options: { readonly telemetry?: boolean } = {}): RoutingTrace => ({
  telemetry: options.telemetry ?? false,
  losses: [],
  reports: [],
});

/** A group of tokens and the positions of a sequence that belong to it. */
interface Group {
  readonly modality: string;
  readonly attributes: string;
  readonly task: string;
  /** Tokens of each row of the layout, padding left out. */
  readonly tokens: number[];
}

interface Groups {
  readonly groups: readonly Group[];
  /** [T] group of each position. */
  readonly ids: readonly number[];
}

/** Which tokens of a batch are padding, [B * T]; undefined where none is. */
type Padding = SequenceBatch['keyPadding'];

/** [T] tokens of the batch at each position, padding left out. */
const tokensByPosition = (keyPadding: Padding, { batch, length }: SequenceLayout): number[] =>
  Array.from({ length }, (_, t) => {
    let count = 0;
    for (let b = 0; b < batch; b += 1) if (keyPadding?.[b * length + t] !== 1) count += 1;
    return count;
  });

const groupsOf = (
  layout: SequenceLayout,
  { rows, bySegment }: Pick<SequenceRows, 'rows' | 'bySegment'>,
  keyPadding: Padding,
): Groups => {
  const tokens = tokensByPosition(keyPadding, layout);
  const groups: Group[] = [];
  const ids: number[] = [];
  for (const [segment, { key, length }] of layout.segments.entries()) {
    const row = bySegment[segment] ?? 0;
    const { modality, task } = key;
    const attributes = rowKey(key.attributes);
    const present = groups.findIndex((each) => each.modality === modality && each.attributes === attributes);
    const id =
      present >= 0 ? present : groups.push({ modality, attributes, task, tokens: rows.map(() => 0) }) - 1;
    const counts = groups[id]?.tokens ?? [];
    for (let t = 0; t < length; t += 1) {
      counts[row] = (counts[row] ?? 0) + (tokens[ids.length] ?? 0);
      ids.push(id);
    }
  }
  return { groups, ids };
};

/** Reports of routers that decided for rows, in the order of the sites. */
export const countRowDecisions = (
  sites: readonly GateSite[],
  decisions: readonly GateDecision[],
  forward: {
    readonly layout: SequenceLayout;
    readonly rows: SequenceRows;
    readonly keyPadding?: Padding;
  },
): readonly SiteReport[] => {
  const { groups } = groupsOf(forward.layout, forward.rows, forward.keyPadding);
  return sites.map((site, index) => ({
    ...site,
    groups: groups.flatMap(({ tokens, ...group }) => {
      const [counts] = countRows(decisions[index] as GateDecision, { tokens });
      return counts && counts.tokens > 0 ? [{ ...group, counts }] : [];
    }),
  }));
};

/** Reports of routers that decided for tokens, in the order of the sites; a site that nothing passed reports nothing. */
export const countTokenDecisions = (
  sites: readonly GateSite[],
  decisions: ReadonlyMap<number, TokenDecision>,
  layout: SequenceLayout,
): readonly SiteReport[] => {
  const { groups, ids } = groupsOf(layout, { rows: [], bySegment: [] }, undefined);
  const byToken = Int32Array.from(
    { length: layout.batch * layout.length },
    (_, n) => ids[n % ids.length] ?? 0,
  );
  return sites.flatMap((site, index) => {
    const decision = decisions.get(index);
    if (!decision) return [];
    const counted = countTokens(decision, { ids: byToken, count: groups.length });
    return [
      {
        ...site,
        groups: groups.flatMap(({ modality, attributes, task }, g) => {
          const counts = counted[g];
          return counts && counts.tokens > 0 ? [{ modality, attributes, task, counts }] : [];
        }),
        losses: decision.loss.values,
      },
    ];
  });
};
