/**
 * The API reference of every entry of every package, from the docstrings: `node tools/api-reference.mjs` writes it as
 * HTML below build/api. A docstring that links to nothing fails it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, Converter, ReflectionKind } from 'typedoc';

const root = join(fileURLToPath(import.meta.url), '..', '..');

/** The source file of an entry of `exports`; of those that differ by platform Node's. */
const sourceOf = (entry) => entry['@polygate/source'] ?? (entry.node ? sourceOf(entry.node) : undefined);

/** [source file, name that users import, folder of the package] */
const entries = readdirSync(join(root, 'packages')).flatMap((folder) => {
  const packageFolder = join(root, 'packages', folder);
  if (!existsSync(join(packageFolder, 'package.json'))) return [];
  const { name, exports } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  return Object.entries(exports).flatMap(([path, entry]) => {
    const source = typeof entry === 'object' ? sourceOf(entry) : undefined;
    return source === undefined
      ? []
      : [{ file: join(packageFolder, source), name: `${name}${path.slice(1)}` }];
  });
});

const app = await Application.bootstrapWithPlugins({
  name: 'Polygate',
  entryPoints: entries.map(({ file }) => file),
  tsconfig: join(root, 'tsconfig.test.json'),
  basePath: root,
  readme: join(root, 'docs/README.md'),
  out: join(root, 'build/api'),
  // `npm run typecheck` says what the compiler thinks, on the same files.
  skipErrorChecking: true,
  excludePrivate: true,
  excludeInternal: true,
  disableSources: true,
  treatWarningsAsErrors: true,
  externalSymbolLinkMappings: { 'apache-arrow': { '*': '#' } },
});

// Modules have the names that users import, not those of files.
const nameOf = new Map(entries.map(({ file, name }) => [file, name]));
app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
  if (!reflection.kindOf(ReflectionKind.Module)) return;
  const file = context.getSymbolFromReflection(reflection)?.declarations?.[0]?.getSourceFile().fileName;
  reflection.name = nameOf.get(file) ?? reflection.name;
});

// Types that are handed through from other packages link to what is not here: there only their words are kept.
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
  for (const reflection of Object.values(context.project.reflections)) {
    const file = context.getSymbolFromReflection(reflection)?.declarations?.[0]?.getSourceFile().fileName;
    if (!file?.includes('/node_modules/')) continue;
    for (const part of reflection.comment?.summary ?? []) if (part.kind === 'inline-tag') part.kind = 'text';
  }
});

const project = await app.convert();
if (!project) process.exit(1);
app.validate(project);
await app.generateOutputs(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
