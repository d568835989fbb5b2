/**
 * The lists of packages in README.md, docs/README.md and CONTRIBUTING.md, generated from the manifests: `node
 * tools/package-list.mjs` writes them, `--check` fails when they differ, or when a package depends on one of its own layer
 * or of a higher one. Name, description and layer stand in a package's package.json alone.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(import.meta.dirname, '..');

/** Every published package and app, lowest layer first. @returns name, folder, layer, description, dependencies of ours */
export const packagesIn = (workspace) =>
  ['packages', 'apps']
    .flatMap((kind) => readdirSync(join(workspace, kind)).map((name) => `${kind}/${name}`))
    .map((folder) => {
      const manifest = JSON.parse(readFileSync(join(workspace, folder, 'package.json'), 'utf8'));
      const tag = manifest.nx?.tags?.find((each) => each.startsWith('layer:'));
      const dependencies = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
      return {
        folder,
        name: manifest.name,
        layer: Number(tag?.slice('layer:'.length)),
        description: manifest.description,
        dependencies: dependencies.filter((each) => each.startsWith('@polygate/')),
      };
    })
    .sort((a, b) => a.layer - b.layer || (a.folder < b.folder ? -1 : 1));

/** Dependencies that do not lead down a layer, in words. @param packages from {@link packagesIn} */
export const wrongDependencies = (packages) => {
  const layers = new Map(packages.map(({ name, layer }) => [name, layer]));
  return packages.flatMap(({ name, layer, dependencies }) => {
    if (!Number.isInteger(layer)) return [`${name}: expected a tag layer:N in nx.tags, got none`];
    const wrong = dependencies.filter((other) => !(layers.get(other) < layer));
    return wrong.map((other) => `${name} (layer ${layer}) depends on ${other} (layer ${layers.get(other)})`);
  });
};

const shortName = ({ folder }) => folder.slice(folder.indexOf('/') + 1);
const linkFrom = (page, entry) =>
  `[${shortName(entry)}](${page.includes('/') ? '../' : ''}${entry.folder}/README.md)`;
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const packages = packagesIn(root);
const libraries = packages.filter(({ folder }) => folder.startsWith('packages/'));
const layers = [...new Set(packages.map(({ layer }) => layer))];

const pages = {
  'README.md': (page) =>
    table(
      ['package', 'what it owns'],
      libraries.map((entry) => [linkFrom(page, entry), entry.description]),
    ),
  'docs/README.md': (page) =>
    `- Packages, each with its README: ${libraries.map((entry) => linkFrom(page, entry)).join(', ')}`,
  'CONTRIBUTING.md': (page) =>
    table(
      ['layer', 'packages'],
      layers.map((layer) => [
        layer,
        packages
          .filter((entry) => entry.layer === layer)
          .map((entry) => linkFrom(page, entry))
          .join(', '),
      ]),
    ),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const isCheck = process.argv.includes('--check');
  const complaints = wrongDependencies(packages);
  for (const [page, draw] of Object.entries(pages)) {
    const path = join(root, page);
    const before = readFileSync(path, 'utf8');
    const text = before.replace(
      /(<!-- packages:start -->)[\s\S]*?(<!-- packages:end -->)/u,
      (_, start, end) =>
        `${start}\n<!-- prettier-ignore-start -->\n\n${draw(page)}\n\n<!-- prettier-ignore-end -->\n${end}`,
    );
    if (!text.includes('<!-- packages:start -->')) complaints.push(`${page}: expected the marks of a list`);
    if (text === before) continue;
    if (isCheck) complaints.push(`${page}: its list of packages differs; run node tools/package-list.mjs`);
    else writeFileSync(path, text);
  }
  for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}
