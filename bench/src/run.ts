import { ConfigError, unknownName } from '@polygate/core';
import { cases } from './cases/index.ts';

/** `npm run bench -- CASE [CASE ...] [--option value]`: one JSON line a pair on standard output. */
const main = async (): Promise<void> => {
  const names = process.argv.slice(2).filter((word) => !word.startsWith('--'));
  if (names.length === 0) {
    process.stderr.write('usage: npm run bench -- CASE [CASE ...]\n\n');
    for (const [name, entry] of Object.entries(cases))
      process.stderr.write(`  ${name.padEnd(18)} ${entry.describe}\n`);
    return;
  }
  for (const name of names) {
    const entry = cases[name];
    if (!entry) throw unknownName('bench case', name, Object.keys(cases));
    for await (const line of entry.run()) process.stdout.write(`${JSON.stringify(line)}\n`);
  }
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
});
