/** Modalities by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { modalityShape, type Modality } from './modality.ts';
import type { Segment } from './segment.ts';
import { text } from './text/text.ts';
import { audio, depth } from './vectors/grids.ts';
import { control, force, proprioception, timeSeries } from './vectors/steps.ts';
import { set, table } from './vectors/tables.ts';
import { visual } from './visual/visual.ts';

const records: readonly Modality[] = [
  visual,
  text,
  audio,
  timeSeries,
  table,
  set,
  force,
  proprioception,
  control,
  depth,
];

const registry = createRegistry<Modality>('modality', records, modalityShape);

/**
 * Adds a modality, for the whole process. Call it before models that embed it are built.
 * @returns the record, with its own type
 * @throws ConfigError when the name is taken, or (code `record`) a field is not as a modality's
 */
export const registerModality = <Settings extends object, Input extends object, S extends Segment>(
  modality: Modality<Settings, Input, S>,
): Modality<Settings, Input, S> => registry.register(modality);

/** The modality of a name. @throws ConfigError listing the registered ones */
export const modalityNamed = (name: string): Modality => registry.named(name);

/** Names of all modalities, those of this package first. */
export const modalityNames = (): readonly string[] => registry.names();

/** All modalities, those of this package first. */
export const registeredModalities = (): readonly Modality[] => registry.all();
