/** The data packages of the mini suite by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import type { DataSource } from './data-source.ts';
import { bibleKjv } from './bible-kjv.ts';
import { bibleWeb } from './bible-web.ts';
import { emojibase } from './emojibase.ts';
import { fashionMnist } from './fashion-mnist.ts';
import { flare } from './flare.ts';
import { fluentEmoji3d } from './fluent-emoji-3d.ts';
import { fluentEmojiFlat } from './fluent-emoji-flat.ts';
import { fortunes } from './fortunes.ts';
import { fortunesMin } from './fortunes-min.ts';
import { fxemoji } from './fxemoji.ts';
import { mnistData } from './mnist-data.ts';
import { mnistSmall } from './mnist-small.ts';
import { mobyDick } from './moby-dick.ts';
import { noto } from './noto.ts';
import { openClipart } from './openclipart.ts';
import { openmoji } from './openmoji.ts';
import { spamAssassin } from './spam-assassin.ts';
import { stateOfTheUnion } from './state-of-the-union.ts';
import { tablerIcons } from './tabler-icons.ts';
import { twemoji } from './twemoji.ts';
import { wordNet } from './wordnet.ts';
import { wordNet30 } from './wordnet-30.ts';

const registry = createRegistry<DataSource>('data source', [
  emojibase,
  noto,
  twemoji,
  openmoji,
  fluentEmojiFlat,
  mnistSmall,
  wordNet,
  mobyDick,
  fxemoji,
  fluentEmoji3d,
  tablerIcons,
  openClipart,
  mnistData,
  fashionMnist,
  flare,
  wordNet30,
  bibleKjv,
  bibleWeb,
  stateOfTheUnion,
  fortunes,
  fortunesMin,
  spamAssassin,
]);

/** Makes a data package available to readers. @throws ConfigError for a name that is taken */
export const registerDataSource = registry.register;
/** The data package of a name. @throws ConfigError listing the registered ones */
export const dataSourceNamed = registry.named;
/** Names of all data packages, those of this package first. */
export const dataSourceNames = registry.names;
