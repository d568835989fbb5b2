/** Parameter counts as text, for terminals and READMEs. */
import { textTable } from '@polygate/core';
import { accountParameters, type ParameterAccount } from './accounting.ts';
import type { EncoderConfig } from '../config/config.ts';

/** An encoder with the name it is shown under. */
export interface NamedEncoder {
  readonly name: string;
  readonly config: EncoderConfig;
}

const millions = (count: number, unit: number): string => `${(count / 1e6).toFixed(unit < 1e6 ? 1 : 0)}M`;
const grouped = (count: number): string => count.toLocaleString('en-US');

/**
 * One line for each encoder: the columns of the paper's Table 6, the deployed size of an image-text model (two merged
 * weight sets), and the exact number of trained scalars.
 */
export const formatParameterTable = (encoders: readonly NamedEncoder[]): string =>
  textTable([
    ['model', 'width', 'heads', 'layers', '#vocab', '#encoder', '#total', '#deployed', 'trained'],
    ...encoders.map(({ name, config }) => {
      const { published, trained } = accountParameters(config);
      const { vocabulary, encoder, total, deployed, unit } = published;
      return [
        name,
        String(config.width),
        String(config.heads),
        String(config.layers),
        ...[vocabulary, encoder, total, deployed].map((count) => millions(count, unit)),
        grouped(trained),
      ];
    }),
  ]);

/** Exact counts of an encoder by part, with what is trained and what is deployed. */
export const formatParameterParts = (account: ParameterAccount): string =>
  textTable([
    ...Object.entries(account.parts).map(([part, count]) => [part, grouped(count)]),
    ['trained', grouped(account.trained)],
    ['without experts', grouped(account.dense)],
    [
      account.mergeable
        ? `deployed (${account.rows} merged ${account.rows === 1 ? 'set' : 'sets'})`
        : 'deployed (tokens choose: all experts)',
      grouped(account.deployed),
    ],
  ]);
