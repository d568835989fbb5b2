/**
 * docs/extending.md holds the example of each extension point whole, as test/extensions has it and its tests run it:
 * `node tools/extending-page.mjs` writes them into the page, a test checks that they are there.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(import.meta.dirname, '..');
const EXAMPLES = 'test/extensions';
/** The page, relative to the repository. */
export const PAGE = 'docs/extending.md';

/** Begins and ends what is written by this tool. */
const block = /<!-- example: (\S+) -->\n[^]*?<!-- end of example -->/gu;

/** Files of examples, by name; others are extensions that tests need. */
export const exampleFiles = () =>
  readdirSync(join(root, EXAMPLES))
    .filter((name) => name.startsWith('toy-') && name.endsWith('.mjs'))
    .sort();

/** Names of the files that a page has places for. */
export const placesOf = (page) => [...page.matchAll(block)].map(([, name]) => name);

/** A page with the examples as they are now. */
export const withExamples = (page) =>
  page.replace(block, (place, name) => {
    if (!exampleFiles().includes(name)) return place;
    const code = readFileSync(join(root, EXAMPLES, name), 'utf8').trimEnd();
    return `<!-- example: ${name} -->\n\n\`\`\`js\n${code}\n\`\`\`\n\n<!-- end of example -->`;
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(root, PAGE);
  writeFileSync(path, withExamples(readFileSync(path, 'utf8')));
}
