/**
 * The parameters of an encoder's body as records, nothing allocated; knows of no experts.
 *
 * Names: `embedding.*`, `blocks.N.{norm1,attention.qkv,attention.output,scale1,norm2,ffn.fc1,ffn.fc2,scale2}`,
 * `head.{norm,linear}`, `temperature.NAME`. A linear that is kept in copies has them under its own path.
 *
 * Start values follow the published code: Xavier-uniform linears (the fused query-key-value as three square matrices),
 * zero biases, embeddings normal with deviation 0.02, unit norms, temperatures ln(1 / 0.07). Copies are drawn
 * independently of each other.
 */
import { linearSpecs, modalityNamed, tableSpec } from '@polygate/modalities';
import type { Initializer, ParameterRole, ParameterSpec } from '@polygate/nn';
import { pathOf, type LinearRef } from './block-linears.ts';
import { blockLinears, branchOf, type BlockSizes } from './linears.ts';
import { prefixModality, PREFIX_PARAMETER } from '../sequence/embedding.ts';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';

/** Factor on similarities that every temperature starts from. */
export const INITIAL_TEMPERATURE = 1 / 0.07;

/** What a body is described with. */
export interface BodyDescription {
  /** Paths under which a linear's copies stand, or undefined for a linear that is not kept in copies. */
  readonly copies: (ref: LinearRef) => readonly string[] | undefined;
  /** Parameters between the blocks and the head. */
  readonly routers?: readonly ParameterSpec[];
}

const spec = (
  name: string,
  shape: readonly number[],
  { initializer, role }: { readonly initializer: Initializer; readonly role: ParameterRole },
): ParameterSpec => ({ name, shape, initializer, role });

const zeros = { kind: 'zeros' } as const;

const norm = (name: string, width: number): readonly ParameterSpec[] => [
  spec(`${name}.weight`, [width], { initializer: { kind: 'ones' }, role: 'norm' }),
  spec(`${name}.bias`, [width], { initializer: zeros, role: 'norm' }),
];

/** What embeds the modalities: first the one that has the prefix token, or a prefix of its own, then the others. */
const embeddingSpecs = ({ modalities, width }: ResolvedEncoderShape): readonly ParameterSpec[] => {
  const owner = prefixModality({ modalities });
  const specsOf = (name: string): readonly ParameterSpec[] =>
    modalityNamed(name).parameters(modalities[name] ?? {}, width);
  return [
    ...(owner === undefined ? [tableSpec(PREFIX_PARAMETER, 1, width)] : specsOf(owner)),
    ...Object.keys(modalities)
      .filter((name) => name !== owner)
      .flatMap(specsOf),
  ];
};

/** What the parameters of a block follow from. */
export interface BlockShape extends BlockSizes {
  /** Start value of the factors on both branches; undefined where there are none. */
  readonly layerScale: number | undefined;
}

/** The parameters of a block, `blocks.N.*`. */
export const blockSpecs = (
  config: BlockShape,
  block: number,
  { copies }: Pick<BodyDescription, 'copies'>,
): readonly ParameterSpec[] => {
  const { width, layerScale } = config;
  const scales = (name: string): readonly ParameterSpec[] =>
    layerScale === undefined
      ? []
      : [spec(name, [width], { initializer: { kind: 'constant', value: layerScale }, role: 'scale' })];
  const path = `blocks.${block}`;
  const specsOf = (branch: string): readonly ParameterSpec[] =>
    blockLinears(config)
      .filter(({ name }) => branchOf(name) === branch)
      .flatMap(({ name, shape, fanOut }) => {
        const ref = { block, linear: name };
        return (copies(ref) ?? [pathOf(ref)]).flatMap((copy) => linearSpecs(copy, shape, fanOut));
      });
  return [
    ...norm(`${path}.norm1`, width),
    ...specsOf('attention'),
    ...scales(`${path}.scale1`),
    ...norm(`${path}.norm2`, width),
    ...specsOf('ffn'),
    ...scales(`${path}.scale2`),
  ];
};

/** All parameters of a body, in a fixed order. */
export const describeBody = (
  config: ResolvedEncoderShape,
  description: BodyDescription,
): readonly ParameterSpec[] => {
  const { layers, width, temperatures } = config;
  return [
    ...embeddingSpecs(config),
    ...norm('embedding.norm', width),
    ...Array.from({ length: layers }, (_, block) => blockSpecs(config, block, description)).flat(),
    ...(description.routers ?? []),
    ...norm('head.norm', width),
    ...linearSpecs('head.linear', [width, width]),
    ...temperatures.map((name) =>
      spec(`temperature.${name}`, [], {
        initializer: { kind: 'constant', value: Math.log(INITIAL_TEMPERATURE) },
        role: 'temperature',
      }),
    ),
  ];
};
