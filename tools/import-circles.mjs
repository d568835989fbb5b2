/**
 * Finds circles of imports among the source files of all workspaces, types included: `node tools/import-circles.mjs`
 * prints each circle's files and fails where there is one. A file in a circle can be neither read, tested nor loaded
 * without all the others.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Source files below a folder, without tests. */
const sourcesBelow = (folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => /\.ts$/u.test(name) && !/\.test\.ts$/u.test(name))
    .map((name) => join(folder, name));

/** Every path that a value of a manifest's `imports` may lead to. */
const pathsIn = (value) =>
  typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(pathsIn);

/** The files that an import may mean: one of a relative path, any form of a `#name`, none of another package. */
const filesOf = (specifier, importer) => {
  if (specifier.startsWith('.')) return [resolve(importer, '..', specifier)];
  if (!specifier.startsWith('#')) return [];
  const folder = importer.slice(0, importer.indexOf('/src/'));
  const { imports = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return pathsIn(imports[specifier]).map((path) => join(folder, path));
};

/** Imports of each file, by path. @param files paths of sources */
const importGraph = (files) => {
  const checked = new Set(files);
  return new Map(
    files.map((file) => {
      const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'), true, true);
      const targets = importedFiles.flatMap(({ fileName }) => filesOf(fileName, file));
      return [file, targets.filter((target) => checked.has(target))];
    }),
  );
};

/** Sets of files that import one another, by Tarjan's strongly connected components. @param graph imports by file */
export const circlesOf = (graph) => {
  const visited = new Map();
  const stack = [];
  const circles = [];
  const visit = (file) => {
    const node = { index: visited.size, low: visited.size, open: true };
    visited.set(file, node);
    stack.push(file);
    for (const target of graph.get(file) ?? []) {
      const other = visited.get(target) ?? visit(target);
      if (other.open) node.low = Math.min(node.low, other.low);
    }
    if (node.low === node.index) {
      const circle = stack.splice(stack.indexOf(file));
      for (const member of circle) visited.get(member).open = false;
      if (circle.length > 1 || graph.get(file)?.includes(file)) circles.push(circle);
    }
    return node;
  };
  for (const file of graph.keys()) if (!visited.has(file)) visit(file);
  return circles;
};

/** Circles within the workspaces of a checkout, as paths relative to it. */
export const circlesIn = (root) => {
  const workspaces = ['packages', 'apps']
    .flatMap((kind) => readdirSync(join(root, kind)).map((name) => join(root, kind, name, 'src')))
    .concat(join(root, 'bench/src'), join(root, 'experiments/src'))
    .filter((folder) => existsSync(folder));
  return circlesOf(importGraph(workspaces.flatMap(sourcesBelow))).map((circle) =>
    circle.map((file) => relative(root, file)),
  );
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const circles = circlesIn(join(import.meta.dirname, '..'));
  for (const circle of circles) console.error(`circle of imports: ${circle.join(' <-> ')}`);
  process.exitCode = circles.length === 0 ? 0 : 1;
}
