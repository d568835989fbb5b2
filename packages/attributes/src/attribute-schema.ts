/**
 * Which bits a model's routers see of a row: for each group of modalities whether it is in the inputs, in the targets, and
 * whether the token is of it; then whether the mask is causal, and whether the token is from the inputs. The paper's eight
 * bits are the schema of its two groups.
 */
import { ConfigError } from '@polygate/core';
import { PAPER_GROUPS, type AttributeRow } from './attribute-row.ts';

export type Bit = 0 | 1;

/** Bits of a row in the order of a schema. */
export type AttributeBits = readonly Bit[];

/** The bits of a model. Plain JSON. */
export interface AttributeSchema {
  /** Groups of modalities, in the order of their bits. */
  readonly groups: readonly string[];
}

/** The eight bits of the paper. */
export const paperSchema: AttributeSchema = Object.freeze({ groups: PAPER_GROUPS });

/**
 * The schema of some groups: the paper's first, so that what was trained on its bits keeps its place among them.
 * @throws ConfigError for an empty name, or one that no text of a row can hold
 */
export const attributeSchema = (groups: readonly string[]): AttributeSchema => {
  const bad = groups.find((group) => !/^[^+=]+$/u.test(group));
  if (bad !== undefined) {
    throw new ConfigError(
      `attribute schema: expected names of groups without + and =, got "${bad}"; name another attribute in the modality's record`,
      { fields: { group: bad } },
    );
  }
  return Object.freeze({ groups: Object.freeze([...new Set([...PAPER_GROUPS, ...groups])]) });
};

/** What each bit of a schema says, in its order. */
export const attributeNames = ({ groups }: AttributeSchema = paperSchema): readonly string[] => [
  ...groups.map((group) => `${group} in inputs`),
  ...groups.map((group) => `${group} in targets`),
  ...groups.map((group) => `token is ${group}`),
  'causal mask',
  'from inputs',
];

/** Bits of a schema. */
export const attributeCount = ({ groups }: AttributeSchema = paperSchema): number => 3 * groups.length + 2;

const bit = (value: boolean): Bit => (value ? 1 : 0);

/** The bits of a row; groups that the schema does not have set none. */
export const rowBits = (row: AttributeRow, { groups }: AttributeSchema = paperSchema): AttributeBits =>
  Object.freeze([
    ...groups.map((group) => bit(row.inputs.includes(group))),
    ...groups.map((group) => bit(row.targets.includes(group))),
    ...groups.map((group) => bit(row.token.includes(group))),
    bit(row.causal),
    bit(row.fromInputs),
  ]);

/**
 * Bits in the order of the paper's published code, whose last two are "from targets" and "causal mask". Weights of that
 * code's gates expect it.
 */
export const toPublishedOrder = (bits: AttributeBits): AttributeBits => {
  const [causal = 0, fromInputs = 0] = bits.slice(-2);
  return Object.freeze([...bits.slice(0, -2), bit(fromInputs === 0), causal]);
};

/** Bits in the paper's order; the inverse of {@link toPublishedOrder}. */
export const fromPublishedOrder = (bits: AttributeBits): AttributeBits => {
  const [fromTargets = 0, causal = 0] = bits.slice(-2);
  return Object.freeze([...bits.slice(0, -2), causal, bit(fromTargets === 0)]);
};
