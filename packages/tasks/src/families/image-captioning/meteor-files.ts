/**
 * METEOR's tables of synonyms and paraphrases, as pycocoevalcap installs them: a folder with `meteor-1.5.jar` and
 * `data/paraphrase-en.gz`.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { ConfigError } from '@polygate/core';
import { readZip } from '@polygate/datasets';
import {
  meteorParaphrases,
  meteorSynonyms,
  meteorWords,
  type CaptionPair,
  type MeteorTables,
} from '@polygate/evaluation';

const JAR = 'meteor-1.5.jar';
const PARAPHRASES = join('data', 'paraphrase-en.gz');
const members = ['synonym/english.exceptions', 'synonym/english.synsets'] as const;
/** Most bytes of a table in the jar, unpacked; the published ones have 4 MB. */
const MAX_TABLE_BYTES = 1 << 26;

/**
 * The tables as far as the pairs can use them; the file of paraphrases is read through once, which takes some seconds.
 * @throws ConfigError for a folder without the files, FormatError for damaged ones
 */
export const readMeteorTables = async (
  folder: string,
  pairs: readonly CaptionPair[],
): Promise<MeteorTables> => {
  for (const file of [JAR, PARAPHRASES]) {
    if ((await stat(join(folder, file)).catch(() => undefined))?.isFile()) continue;
    throw new ConfigError(
      `meteor: expected ${JAR} and ${PARAPHRASES} in ${folder}, got no ${file}; give the folder "meteor" of an installed pycocoevalcap`,
      { code: 'no-meteor-tables', fields: { folder, file } },
    );
  }
  const entries = await readZip(join(folder, JAR));
  const [exceptions = '', synsets = ''] = await Promise.all(
    members.map(async (name) => {
      const entry = entries.find((each) => each.name === name);
      if (!entry || entry.size > MAX_TABLE_BYTES) {
        throw new ConfigError(
          `meteor: expected ${name} in ${JAR} of ${folder}, got ${entry ? `${entry.size} bytes` : 'none'}; give the folder "meteor" of an installed pycocoevalcap`,
          { code: 'no-meteor-tables', fields: { folder, file: name } },
        );
      }
      const parts: Uint8Array[] = [];
      for await (const part of entry.read()) parts.push(part);
      return Buffer.concat(parts).toString('utf8');
    }),
  );
  const texts = pairs.flatMap(({ candidate, references }) => [candidate, ...references]);
  const vocabulary = new Set(texts.flatMap((text) => meteorWords(text)));
  const lines = createInterface({
    input: createReadStream(join(folder, PARAPHRASES)).pipe(createGunzip()),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  return {
    ...meteorSynonyms(exceptions, synsets),
    ...(await meteorParaphrases(lines, vocabulary)),
  };
};
