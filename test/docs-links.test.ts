/** The pages for people hold together: every link to a file leads to one, and every page is in the index. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const pagesIn = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const readmes = ['packages', 'apps'].flatMap((kind) =>
  readdirSync(join(root, kind)).map((name) => join(kind, name, 'README.md')),
);
const pages = ['.', 'docs', 'docs/adr', 'docs/results'].flatMap(pagesIn).concat(readmes);

/** Targets of Markdown links and images outside of code, without those of the web. */
const linksOf = (page: string): string[] => {
  const text = readFileSync(join(root, page), 'utf8')
    .replace(/^```[\s\S]*?^```$/gmu, '')
    .replace(/`[^`\n]*`/gu, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/gu)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/u.test(target));
};

/** The anchor of a heading, as renderers of Markdown make it. */
const anchorsOf = (page: string): string[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^#+ (.*)$/gmu)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/gu, '-'),
  );

describe('links of the documentation', () => {
  it.each(pages.filter((page) => existsSync(join(root, page))))('%s lead somewhere', (page) => {
    const broken = linksOf(page).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : relative(root, join(root, dirname(page), path));
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('reach every page from the index', () => {
    const index = linksOf('docs/README.md').map((link) => join('docs', link));
    const wanted = pages.filter((page) => !page.startsWith('docs/adr') && page !== 'docs/README.md');
    const missing = wanted.filter(
      (page) => !index.includes(page) && !/LOG\.md$|polygate\/README/u.test(page),
    );
    expect(missing).toEqual([]);
  });
});
