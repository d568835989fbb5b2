/**
 * Which parameters are meant: by names, by roles, or by a predicate. Parts of a model are trained, given rates of their
 * own, or stored by such rules.
 */
import { ConfigError, unknownName } from '@polygate/core';
import type { ParameterRole, ParameterSpec } from './parameter-spec.ts';

/** A rule as a recipe writes it: a parameter is meant when each field that is given fits. */
export interface ParameterRule {
  /** Names or patterns, of which one fits; `*` stands for any characters: `blocks.*.ffn.*`. @default any name */
  readonly names?: readonly string[];
  /** Roles, of which one fits. @default any role */
  readonly roles?: readonly ParameterRole[];
  /** Names or patterns that are left out. @default none */
  readonly except?: readonly string[];
}

/** What selects parameters: names or patterns, a rule, or a predicate. */
export type ParameterSelection = readonly string[] | ParameterRule | ((spec: ParameterSpec) => boolean);

const SHOWN_NAMES = 8;

/** Names that share the longest beginning with `got`: what a person who mistyped it looks for. */
export const nearNames = (got: string, names: readonly string[]): readonly string[] => {
  const shared = (name: string): number => {
    let length = 0;
    while (length < name.length && name[length] === got[length]) length += 1;
    return length;
  };
  return [...names].sort((a, b) => shared(b) - shared(a)).slice(0, SHOWN_NAMES);
};

/** Whether a name fits a pattern: the parts between its stars, in their order. Linear in both lengths. */
const fits = (pattern: string, name: string): boolean => {
  const parts = pattern.split('*');
  const [first = '', ...rest] = parts;
  if (rest.length === 0) return pattern === name;
  const last = rest.pop() ?? '';
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last))
    return false;
  let at = first.length;
  for (const part of rest) {
    const next = name.indexOf(part, at);
    if (next < 0) return false;
    at = next + part.length;
  }
  return at <= name.length - last.length;
};

const asRule = (selection: readonly string[] | ParameterRule): ParameterRule =>
  'length' in selection ? { names: selection } : selection;

/** The selection as a predicate. Unchecked: a pattern may fit nothing. */
export const predicateOf = (selection: ParameterSelection): ((spec: ParameterSpec) => boolean) => {
  if (typeof selection === 'function') return selection;
  const { names, roles, except = [] } = asRule(selection);
  return ({ name, role }) =>
    (names?.some((pattern) => fits(pattern, name)) ?? true) &&
    (roles?.includes(role) ?? true) &&
    !except.some((pattern) => fits(pattern, name));
};

/**
 * The selected ones of `specs`.
 * @param what the word that errors begin with, such as `parameters.select`
 * @throws ConfigError for a name or pattern that fits none, and for a selection of none
 */
export const selectSpecs = (
  specs: readonly ParameterSpec[],
  selection: ParameterSelection,
  what: string,
): readonly ParameterSpec[] => {
  if (typeof selection !== 'function') {
    const { names = [], except = [] } = asRule(selection);
    const all = specs.map(({ name }) => name);
    const lost = [...names, ...except].find((pattern) => !all.some((name) => fits(pattern, name)));
    if (lost !== undefined) throw unknownName('parameter', lost, nearNames(lost, all));
  }
  const selected = specs.filter(predicateOf(selection));
  if (selected.length > 0) return selected;
  throw new ConfigError(
    `${what}: expected a selection of at least one of ${specs.length} parameters, got none; widen its names or roles`,
    { code: 'parameters-none' },
  );
};
