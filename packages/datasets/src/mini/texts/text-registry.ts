/** Texts of the mini suite by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { kingJames, worldEnglish } from './bible.ts';
import { glosses } from './glosses.ts';
import { letters } from './letters.ts';
import { novel } from './novel.ts';
import type { RunningText } from './running-text.ts';
import { sayings } from './sayings.ts';
import { speeches } from './speeches.ts';

const registry = createRegistry<RunningText>('running text', [
  speeches,
  novel,
  kingJames,
  worldEnglish,
  glosses,
  sayings,
  letters,
]);

/** Makes a text available to the source `running-text`. @throws ConfigError for a name that is taken */
export const registerRunningText = registry.register;
/** The text of a name. @throws ConfigError listing the registered ones */
export const runningTextNamed = registry.named;
/** Names of all texts, those of this package first. */
export const runningTextNames = registry.names;
