/**
 * `npm publish --dry-run` of every published package. Fails where npm warns of anything, and, with `--final`, as long
 * as the workspace names the placeholder of a repository in place of its own.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const readManifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const folders = ['packages', 'apps']
  .flatMap((kind) => readdirSync(join(root, kind)).map((name) => join(root, kind, name)))
  .filter((folder) => existsSync(join(folder, 'package.json')) && !readManifest(folder).private);

/** npm says in every dry run without an account that publishing would need one. */
const expected = /This command requires you to be logged in/u;

const faults = [];
for (const folder of folders) {
  const { name } = readManifest(folder);
  try {
    const { stderr } = await run('npm', ['publish', '--dry-run', '--loglevel', 'warn'], { cwd: folder });
    const warnings = stderr
      .split('\n')
      .filter((line) => /^npm (?:warn|error)/iu.test(line) && !expected.test(line));
    faults.push(...warnings.map((line) => `${name}: ${line}`));
  } catch (error) {
    faults.push(`${name}: ${error.stderr ?? error.message}`);
  }
  console.log(`${name}: packed`);
}

if (process.argv.includes('--final') && /example\.com/u.test(readManifest(root).repository.url))
  faults.push(
    'the repository in package.json is still the placeholder; write the real one there and run npm run manifests',
  );
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
