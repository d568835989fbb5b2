/**
 * Fills in what all published packages share: licence, repository, homepage, bugs, keywords, how they are published,
 * which files they pack, and ranges of each other's versions. The workspace's own package.json is the one place where
 * these are written. `node tools/manifests.mjs` writes; `--check` only compares, and fails where something differs.
 */
import { readFileSync, readdirSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));
const workspace = readJson(join(root, 'package.json'));
const license = readFileSync(join(root, 'LICENSE'), 'utf8');

/** Each workspace's folder, relative to the root. */
const folders = workspace.workspaces.flatMap((pattern) => {
  const parent = pattern.replace(/\/\*$/u, '');
  if (parent === pattern) return [pattern];
  return readdirSync(join(root, parent))
    .map((name) => `${parent}/${name}`)
    .filter((folder) => existsSync(join(root, folder, 'package.json')));
});
const ours = new Set(folders.map((folder) => readJson(join(root, folder, 'package.json')).name));

/** Sources are packed too: source maps and declaration maps point at them. */
const packedFiles = (files) => [
  ...files.filter((file) => !['src', 'LICENSE'].includes(file) && !file.startsWith('!')),
  'src',
  '!dist/.tsbuildinfo',
  '!src/**/*.test.ts',
];

const ranged = (dependencies) =>
  dependencies &&
  Object.fromEntries(
    Object.entries(dependencies).map(([name, range]) => [
      name,
      ours.has(name) ? `^${workspace.version}` : range,
    ]),
  );

const published = (manifest, folder) => ({
  license: workspace.license,
  repository: { ...workspace.repository, directory: folder },
  homepage: workspace.homepage,
  bugs: workspace.bugs,
  keywords: [...new Set([...workspace.keywords, ...(manifest.keywords ?? [])])],
  publishConfig: { access: 'public', provenance: true },
  files: packedFiles(manifest.files),
  scripts: { ...manifest.scripts, prepack: 'node ../../tools/prepack.mjs' },
});

/** `additions` of keys that the manifest lacks come behind its licence, in their order. */
const merged = (manifest, additions) => {
  const entries = Object.entries(manifest).filter(([key]) => key !== 'license');
  const at = entries.findIndex(([key]) => key === 'description') + 1;
  const fresh = Object.entries(additions).filter(
    ([key]) => key === 'license' || !Object.hasOwn(manifest, key),
  );
  entries.splice(at, 0, ...fresh);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, Object.hasOwn(additions, key) ? additions[key] : value]),
  );
};

const wanted = new Map();
for (const folder of folders) {
  const file = join(root, folder, 'package.json');
  const manifest = readJson(file);
  for (const kind of ['dependencies', 'optionalDependencies', 'peerDependencies', 'devDependencies'])
    if (manifest[kind]) manifest[kind] = ranged(manifest[kind]);
  const filled = manifest.private ? manifest : merged(manifest, published(manifest, folder));
  wanted.set(file, `${JSON.stringify(filled, null, 2)}\n`);
  if (!manifest.private) wanted.set(join(root, folder, 'LICENSE'), license);
}

const differing = [...wanted].filter(
  ([file, text]) => !existsSync(file) || readFileSync(file, 'utf8') !== text,
);
if (process.argv.includes('--check')) {
  for (const [file] of differing)
    console.error(`${file.slice(root.length + 1)} differs; run: npm run manifests`);
  process.exitCode = differing.length === 0 ? 0 : 1;
} else for (const [file, text] of differing) writeFileSync(file, text);
