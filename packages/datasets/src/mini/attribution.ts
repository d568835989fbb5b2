/** ATTRIBUTION.md of a prepared suite: where its data comes from and under which licence. */
import { ConfigError } from '@polygate/core';
import { isArchive } from './sources/data-source.ts';
import { dataSourceNamed, dataSourceNames } from './sources/source-registry.ts';

/** The text of ATTRIBUTION.md for the data sources that a suite was made from. @throws ConfigError for none */
export const attributionText = (names: readonly string[]): string => {
  const wanted = new Set(names.map((name) => dataSourceNamed(name).name));
  const used = dataSourceNames().filter((name) => wanted.has(name));
  if (used.length === 0) throw new ConfigError('attribution: expected at least one data source, got none');
  const entries = used.map((key) => {
    const { pin, credit } = dataSourceNamed(key);
    const { work, by, licence, use } = credit;
    const registry = isArchive(pin) && pin.registry === 'debian' ? 'Debian' : 'npm';
    return `## ${work}\n\n- By: ${by}\n- Licence: ${licence}\n- From: ${registry} package \`${pin.name}\` ${pin.version}\n- Used for: ${use}\n`;
  });
  return `# Attribution\n\nThis folder was made from the works below. Their licences apply to what is in it; they are not\nchanged by the licence of the code that prepared it.\n\n${entries.join('\n')}`;
};
