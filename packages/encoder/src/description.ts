/**
 * The parameters of an encoder as records, nothing allocated.
 *
 * Names: `embedding.*`, `blocks.N.{norm1,attention.qkv,attention.output,scale1,norm2,ffn.fc1,ffn.fc2,scale2}`,
 * `routers.*` (all routers stacked), `head.{norm,linear}`, `temperature.NAME`. A conditional linear has
 * `experts.E.{weight,bias}` in place of `{weight,bias}`.
 *
 * Start values follow the published code: Xavier-uniform linears (the fused query-key-value as three square matrices),
 * zero biases, embeddings normal with deviation 0.02, unit norms, temperatures ln(1 / 0.07). Experts are drawn
 * independently of each other.
 */
import type { Initializer, ParameterRole, ParameterSpec } from '@polygate/nn';
import { describeRouters, type RouterStack, type RoutingKey } from '@polygate/routers';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from './config.ts';
import { conditionOf } from './expert-config.ts';
import { BLOCK_LINEARS, gateSites, isConditional, linearShape, type BlockLinear } from './placement.ts';

/** Start value of a temperature's logarithm; similarities are multiplied by its exponential. */
const INITIAL_LOG_TEMPERATURE = Math.log(1 / 0.07);

/** The routers of an encoder as one stack, or undefined for a dense one. */
export const routerStack = (config: ResolvedEncoderConfig): RouterStack<RoutingKey> | undefined => {
  const { moe, width } = config;
  if (!moe) return undefined;
  const { experts, topK, renormalize, noise } = moe;
  const condition = conditionOf(moe);
  if (!condition.dataIndependent) return undefined;
  return {
    condition,
    prefix: 'routers',
    sites: gateSites(config).length,
    width,
    experts,
    topK,
    renormalize,
    noise,
  };
};

const spec = (
  name: string,
  shape: readonly number[],
  { initializer, role }: { readonly initializer: Initializer; readonly role: ParameterRole },
): ParameterSpec => ({ name, shape, initializer, role });

const zeros = { kind: 'zeros' } as const;
const bias = { initializer: zeros, role: 'bias' } as const;
const embedding = { initializer: { kind: 'normal', std: 0.02 }, role: 'embedding' } as const;

const norm = (name: string, width: number): readonly ParameterSpec[] => [
  spec(`${name}.weight`, [width], { initializer: { kind: 'ones' }, role: 'norm' }),
  spec(`${name}.bias`, [width], { initializer: zeros, role: 'norm' }),
];

/** A linear layer `[out, in]`; `fanOut` counts one square matrix of a fused one. */
const linear = (
  name: string,
  [out, input]: readonly [number, number],
  fanOut: number = out,
): readonly ParameterSpec[] => [
  spec(`${name}.weight`, [out, input], {
    initializer: { kind: 'xavierUniform', fans: [input, fanOut] },
    role: 'weight',
  }),
  spec(`${name}.bias`, [out], bias),
];

const blockLinear = (
  config: ResolvedEncoderConfig,
  block: number,
  name: BlockLinear,
): readonly ParameterSpec[] => {
  const shape = linearShape(name, config);
  const fanOut = name === 'attention.qkv' ? config.width : shape[0];
  const path = `blocks.${block}.${name}`;
  if (!config.moe || !isConditional(config.moe, block, name)) return linear(path, shape, fanOut);
  return Array.from({ length: config.moe.experts }, (_, e) =>
    linear(`${path}.experts.${e}`, shape, fanOut),
  ).flat();
};

const blockSpecs = (config: ResolvedEncoderConfig, block: number): readonly ParameterSpec[] => {
  const { width, layerScale } = config;
  const scale = { initializer: { kind: 'constant', value: layerScale }, role: 'scale' } as const;
  const path = `blocks.${block}`;
  const [qkv = [], output = [], fc1 = [], fc2 = []] = BLOCK_LINEARS.map((name) =>
    blockLinear(config, block, name),
  );
  return [
    ...norm(`${path}.norm1`, width),
    ...qkv,
    ...output,
    spec(`${path}.scale1`, [width], scale),
    ...norm(`${path}.norm2`, width),
    ...fc1,
    ...fc2,
    spec(`${path}.scale2`, [width], scale),
  ];
};

/**
 * All parameters of an encoder, in a fixed order.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const describeEncoder = (config: EncoderConfig): readonly ParameterSpec[] => {
  const resolved = resolveEncoderConfig(config);
  const { layers, width, vocabularySize, patch, maxPositions, maxFrames, temperatures } = resolved;
  const routers = routerStack(resolved);
  return [
    spec('embedding.word', [vocabularySize, width], embedding),
    spec('embedding.position', [maxPositions, width], embedding),
    spec('embedding.type', [1, width], embedding),
    ...linear('embedding.patch', [width, patch.size * patch.size * patch.channels]),
    spec('embedding.frame', [maxFrames, width], embedding),
    ...norm('embedding.norm', width),
    ...Array.from({ length: layers }, (_, block) => blockSpecs(resolved, block)).flat(),
    ...(routers ? describeRouters(routers) : []),
    ...norm('head.norm', width),
    ...linear('head.linear', [width, width]),
    ...temperatures.map((name) =>
      spec(`temperature.${name}`, [], {
        initializer: { kind: 'constant', value: INITIAL_LOG_TEMPERATURE },
        role: 'temperature',
      }),
    ),
  ];
};
