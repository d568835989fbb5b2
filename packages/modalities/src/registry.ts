/** Modalities by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { modalityShape, type Modality } from './modality.ts';
import type { Segment } from './segment.ts';
import { text } from './text/text.ts';
import { visual } from './visual/visual.ts';

const registry = createRegistry<Modality>('modality', [visual, text], modalityShape);

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
