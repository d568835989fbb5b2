import { z } from 'zod';
import type { DatasetKind, KindSettings } from './dataset-kind.ts';

/**
 * Settings of a kind: those that are given, and the defaults of its section for the rest.
 * @param given of the section, and those that a source decides
 */
export const kindSettings = (
  { section }: Pick<DatasetKind, 'section'>,
  given: KindSettings = {},
): KindSettings => {
  if (!section) return given;
  const entries = Object.keys(section.settings).map((name) => [name, given[name]]);
  return { ...given, ...z.object(section.settings).parse(Object.fromEntries(entries)) };
};
