/** A group of experts of a live encoder: its routers and experts, with the variables borrowed from the parameter set. */
import type { ParameterSet } from '@polygate/nn';
import type { AnyRouterStack, Condition, RoutingKey } from '@polygate/routers';
import type { LinearExpert } from '@polygate/tensor';
import type { AdapterForward } from '../adapters/adapter.ts';
import { pairOf, pathOf, type LinearRef } from '../blocks/block-linears.ts';
import type { ResolvedEncoderConfig } from '../config/config.ts';
import { topKIn, type ExpertGroup } from '../config/expert-groups.ts';
import type { SegmentKey } from '../sequence/layout.ts';
import { expertPath, groupStack } from './group-routers.ts';
import { groupSites, type GateSite } from './sites.ts';

/** How many experts the tokens of a segment choose in a group; undefined where the configuration decides. */
export type TopKRule = (group: string, key: SegmentKey) => number | undefined;

/** A group with its parameters. */
export class LiveGroup {
  readonly settings: ExpertGroup;
  readonly condition: Condition<RoutingKey>;
  readonly stack: AnyRouterStack<RoutingKey>;
  readonly sites: readonly GateSite[];
  readonly parameters: ParameterSet;
  readonly #siteByPath: ReadonlyMap<string, number>;

  constructor(
    settings: ExpertGroup,
    config: Pick<ResolvedEncoderConfig, 'moe' | 'width'>,
    parameters: ParameterSet,
  ) {
    this.settings = settings;
    this.stack = groupStack(settings, config);
    this.condition = this.stack.condition;
    this.sites = groupSites(settings);
    this.parameters = parameters;
    this.#siteByPath = new Map(
      this.sites.flatMap(({ block, linears }, site) =>
        linears.map((linear) => [pathOf({ block, linear }), site] as const),
      ),
    );
  }

  /** Paths of its linears. */
  get paths(): readonly string[] {
    return [...this.#siteByPath.keys()];
  }

  /** Index of the router that a linear of the group follows. */
  siteOf(ref: LinearRef): number {
    return this.#siteByPath.get(pathOf(ref)) ?? 0;
  }

  /** All experts of a linear. */
  expertsOf(ref: LinearRef): readonly LinearExpert[] {
    return Array.from({ length: this.settings.experts }, (_, e) =>
      pairOf(this.parameters, expertPath(ref, e)),
    );
  }

  /**
   * All experts of a linear in a forward with an adapter.
   * @param isUsed whether an expert serves it; others are left as they are
   */
  adaptedExperts(
    ref: LinearRef,
    { expert: adapt }: AdapterForward,
    isUsed: (expert: number) => boolean = () => true,
  ): readonly LinearExpert[] {
    const experts = this.expertsOf(ref);
    return adapt
      ? experts.map((plain, expert) => (isUsed(expert) ? adapt(plain, { ...ref, expert }) : plain))
      : experts;
  }

  /** How many experts the tokens of a segment choose. */
  topKOf(key: SegmentKey, rule?: TopKRule): number {
    return rule?.(this.settings.name, key) ?? topKIn(this.settings, key.modality);
  }
}
