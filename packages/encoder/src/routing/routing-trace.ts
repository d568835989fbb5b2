/**
 * What the routers of one forward or several did, for the loss and for telemetry. The caller makes a trace and passes it
 * along; forwards add to it, and nothing else keeps it.
 */
import type { RoutingCounts } from '@polygate/routers';
import type * as tf from '@tensorflow/tfjs';
import type { GateSite } from '../experts/sites.ts';

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
