/** Routers and experts of an encoder by the linear that they serve; the variables are borrowed from the set. */
import type { ParameterSet } from '@polygate/nn';
import type { LinearExpert } from '@polygate/tensor';
import { pairOf, pathOf, type LinearPlace } from '../blocks/block-linears.ts';
import type { ResolvedEncoderConfig } from '../config/config.ts';
import { expertPath } from '../models/description.ts';
import { gateSites } from './placement.ts';

export interface ExpertTable {
  /** Index of the router that decides for a linear; undefined for a dense one. */
  site(place: LinearPlace): number | undefined;
  /** All experts of a conditional linear. */
  experts(place: LinearPlace): readonly LinearExpert[];
}

export const expertTable = (config: ResolvedEncoderConfig, parameters: ParameterSet): ExpertTable => {
  const sites = new Map<string, number>();
  for (const [site, { block, linears }] of gateSites(config).entries()) {
    for (const linear of linears) sites.set(pathOf({ block, linear }), site);
  }
  return {
    site: (place) => sites.get(pathOf(place)),
    experts: (place) =>
      Array.from({ length: config.moe?.experts ?? 0 }, (_, e) => pairOf(parameters, expertPath(place, e))),
  };
};
