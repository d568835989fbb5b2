/**
 * `node tools/release.mjs VERSION [--dry-run]`: gives every package the version and each other's ranges (by Nx
 * release), and makes the changelog's "Unreleased" the section of that version. What it changed is then committed and
 * tagged by hand; the workflow of the tag publishes.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { releaseVersion } from 'nx/release/index.js';

const root = join(import.meta.dirname, '..');
const [version] = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const dryRun = process.argv.includes('--dry-run');
if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/u.test(version ?? ''))
  throw new Error(`expected a version such as 0.2.0, got ${version ?? 'none'}`);

const { projectsVersionData } = await releaseVersion({ specifier: version, dryRun, gitCommit: false });
console.log(`${Object.keys(projectsVersionData).length} packages: ${version}`);

const file = join(root, 'CHANGELOG.md');
const changelog = readFileSync(file, 'utf8');
const heading = '## Unreleased\n';
if (!changelog.includes(heading)) throw new Error('expected a section "## Unreleased" in CHANGELOG.md');
const day = new Date().toISOString().slice(0, 10);
if (!dryRun) {
  writeFileSync(file, changelog.replace(heading, `${heading}\n## ${version} (${day})\n`));
  const manifest = join(root, 'package.json');
  const workspace = JSON.parse(readFileSync(manifest, 'utf8'));
  writeFileSync(manifest, `${JSON.stringify({ ...workspace, version }, null, 2)}\n`);
  // The ranges of the private workspaces, and the lock file.
  execFileSync(process.execPath, [join(root, 'tools/manifests.mjs')], { stdio: 'inherit' });
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts'], {
    cwd: root,
    stdio: 'inherit',
  });
  console.log(`then: git commit -am "Release ${version}" && git tag v${version}`);
}
