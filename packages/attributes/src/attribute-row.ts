/**
 * The attributes of a token (Uni-Perceiver-MoE, Table 2 and Eq. 9). They are a function of the task's signature and of the
 * token's segment, so a task that nobody foresaw has its rows too. A row names the groups of modalities that it speaks of;
 * a schema makes bits of it, see attribute-schema.ts.
 */
import { ConfigError, FormatError } from '@polygate/core';
import { modalitiesOf } from './task-signature.ts';
import type { Modality, TaskSignature, TokenSource } from './task-signature.ts';

/** What is known of a token. Names are distinct and sorted. */
export interface AttributeRow {
  /** Groups of modalities in the inputs of the task. */
  readonly inputs: readonly string[];
  /** Groups of modalities in its targets. */
  readonly targets: readonly string[];
  /** Group of the token itself; a list, because rows that are read from text may have any. */
  readonly token: readonly string[];
  /** The attention mask of the token is causal. */
  readonly causal: boolean;
  /** From the input sequence, or else from a candidate. */
  readonly fromInputs: boolean;
}

/** The segment that a token belongs to. */
export interface SegmentAttributes {
  readonly modality: Modality;
  /** The attention mask of the token is causal (words and query tokens of captioning). */
  readonly causal: boolean;
  /** From the input sequence, or from a candidate. */
  readonly source: TokenSource;
}

const sorted = (names: readonly string[]): readonly string[] => Object.freeze([...new Set(names)].sort());

const freeze = ({ inputs, targets, token, causal, fromInputs }: AttributeRow): AttributeRow =>
  Object.freeze({
    inputs: sorted(inputs),
    targets: sorted(targets),
    token: sorted(token),
    causal,
    fromInputs,
  });

/**
 * The row of a segment. The prefix token of a sequence has the row of the first segment.
 * @throws ConfigError for a segment whose modality the task does not have on that side
 */
export const attributeRow = (signature: TaskSignature, segment: SegmentAttributes): AttributeRow => {
  const inputs = modalitiesOf(signature, 'input');
  const targets = modalitiesOf(signature, 'target');
  const { modality, causal, source } = segment;
  const side = source === 'input' ? inputs : targets;
  if (!side.includes(modality)) {
    throw new ConfigError(
      `attributeRow: expected a modality that the task has among its ${source}s (${side.join(', ')}), ` +
        `got "${modality}"; correct the segment or add the modality to the signature`,
      { code: 'modality-missing', fields: { modality, source } },
    );
  }
  return freeze({ inputs, targets, token: [modality], causal, fromInputs: source === 'input' });
};

/** The groups of the paper, whose bits come first in the text of a row. */
export const PAPER_GROUPS: readonly string[] = Object.freeze(['visual', 'text']);

const digit = (value: boolean): string => (value ? '1' : '0');

/** The questions that a row answers of each group, in their order. */
const questionsOf = ({ inputs, targets, token }: AttributeRow): readonly (readonly string[])[] => [
  inputs,
  targets,
  token,
];

/**
 * A row as text: the key of caches, reports and exported models. The paper's eight bits, `10011001`, and for each other
 * group its three (in inputs, in targets, token is): `00010001+sound=101`. The same for every schema.
 */
export const rowKey = (row: AttributeRow): string => {
  const questions = questionsOf(row);
  const bits = questions.flatMap((names) => PAPER_GROUPS.map((group) => digit(names.includes(group))));
  const others = sorted(questions.flat()).filter((group) => !PAPER_GROUPS.includes(group));
  const rest = others.map(
    (group) => `+${group}=${questions.map((names) => digit(names.includes(group))).join('')}`,
  );
  return [...bits, digit(row.causal), digit(row.fromInputs), ...rest].join('');
};

const KEY = /^(?<bits>[01]{8})(?<rest>(?:\+[^+=]+=(?!000)[01]{3})*)$/u;

/** The row of a {@link rowKey}. @throws FormatError */
export const parseRow = (key: string): AttributeRow => {
  const { bits, rest } = KEY.exec(key)?.groups ?? {};
  if (bits === undefined) {
    throw new FormatError(
      `attribute row: expected eight characters 0 or 1 such as "10011001", and further groups as "+sound=101", got "${key}"`,
      { code: 'attribute-row', fields: { key } },
    );
  }
  const others = [...(rest ?? '').matchAll(/\+([^+=]+)=([01]{3})/gu)].map(
    ([, group = '', answer = '']) => [group, answer] as const,
  );
  const namesOf = (question: number): readonly string[] => [
    ...PAPER_GROUPS.filter((_, i) => bits[2 * question + i] === '1'),
    ...others.filter(([, answers]) => answers[question] === '1').map(([group]) => group),
  ];
  return freeze({
    inputs: namesOf(0),
    targets: namesOf(1),
    token: namesOf(2),
    causal: bits[6] === '1',
    fromInputs: bits[7] === '1',
  });
};
