/**
 * The report as one HTML page that needs nothing else: no script, no font, no image from anywhere. Its content policy
 * forbids them, so that a browser would say so.
 */
import { dark, escapeXml, figureStyles, light, renderFigure, type Theme } from '@polygate/figures';
import type { ReportSection, ReportTable } from './sections.ts';

export interface ReportPage {
  readonly title: string;
  /** A table of facts with a column for each run; the first row is its head. */
  readonly facts: ReportTable;
  readonly sections: readonly ReportSection[];
  /** Says when and of what it was made. */
  readonly footer: string;
}

const variables = ({ surface, ink, quiet, grid, heat }: Theme): string =>
  `--surface:${surface};--ink:${ink};--quiet:${quiet};--line:${grid};--link:${heat}`;

const styles = `
:root{color-scheme:light dark;${variables(light)}}
@media (prefers-color-scheme:dark){:root{${variables(dark)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--surface);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main,header,footer{max-width:1144px;margin:0 auto;padding:0 32px}
header{padding-top:28px}
h1{font-size:26px;line-height:1.25;margin:0 0 12px}
h2{font-size:19px;margin:0 0 6px}
section{padding:26px 0 10px;border-top:1px solid var(--line);margin-top:26px}
p{margin:0 0 14px;max-width:78ch}
.lead,.missing,figcaption,footer{color:var(--quiet)}
.missing code{color:var(--ink)}
nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;padding:0;margin:16px 0 0}
a{color:var(--link)}
figure{margin:0 0 22px;overflow-x:auto}
figcaption{font-size:13px;margin-bottom:6px}
figcaption strong{color:var(--ink);font-size:14px;font-weight:600;margin-right:8px}
figure svg{display:block;height:auto;max-width:none}
table{border-collapse:collapse;font-size:14px;margin:0 0 14px}
.scroll{overflow-x:auto}
th,td{text-align:left;padding:4px 18px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
footer{padding-top:20px;padding-bottom:32px;font-size:13px}
@media print{nav{display:none}section{break-inside:avoid}}
`;

const isNumber = (cell: string): boolean => /^[\u2212\d.–]+$/u.test(cell);

const tableOf = (table: ReportTable, caption: string): string => {
  const [head = [], ...rows] = table;
  const numeric = head.map(
    (_, column) => rows.length > 0 && rows.every((row) => isNumber(row[column] ?? '')),
  );
  const cell = (tag: 'td' | 'th', words: string, column: number, scope?: 'col' | 'row'): string =>
    `<${tag}${scope ? ` scope="${scope}"` : ''}${numeric[column] ? ' class="number"' : ''}>${escapeXml(words)}</${tag}>`;
  return [
    `<div class="scroll"><table aria-label="${escapeXml(caption)}">`,
    `<thead><tr>${head.map((words, column) => cell('th', words, column, 'col')).join('')}</tr></thead>`,
    `<tbody>${rows
      .map(
        (row) =>
          `<tr>${row.map((words, column) => (column === 0 ? cell('th', words, 0, 'row') : cell('td', words, column))).join('')}</tr>`,
      )
      .join('\n')}</tbody></table></div>`,
  ].join('');
};

const sectionOf = ({ id, title, lead, figures, table, missing }: ReportSection): string =>
  [
    `<section id="${id}" aria-labelledby="${id}-heading">`,
    `<h2 id="${id}-heading">${escapeXml(title)}</h2>`,
    `<p class="lead">${escapeXml(lead)}</p>`,
    ...figures.map(
      ({ id: name, figure }) =>
        `<figure><figcaption><strong>${escapeXml(figure.title)}</strong><a href="figures/${name}.svg">SVG</a> <a href="figures/${name}.png">PNG</a></figcaption>${sized(
          renderFigure(figure, { id: name, target: 'page' }),
          figure.width,
        )}</figure>`,
    ),
    ...(table ? [tableOf(table, title)] : []),
    ...(missing === undefined ? [] : [`<p class="missing">${escapeXml(missing)}</p>`]),
    '</section>',
  ].join('\n');

/** A figure keeps its size, so that its words do: the page scrolls it sideways where the window is narrower. */
const sized = (svg: string, width: number): string =>
  svg.replace('<svg ', `<svg width="${Math.ceil(width)}" `);

/** HTML of a report. */
export const renderPage = ({ title, facts, sections, footer }: ReportPage): string =>
  [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">`,
    '<link rel="icon" href="data:,">',
    `<title>${escapeXml(title)}</title>`,
    `<style>${styles}${figureStyles()}</style>`,
    '</head>',
    '<body>',
    `<header><h1>${escapeXml(title)}</h1>${tableOf(facts, 'Facts of the runs')}`,
    `<nav aria-label="Sections"><ul>${sections.map((section) => `<li><a href="#${section.id}">${escapeXml(section.title)}</a></li>`).join('')}</ul></nav></header>`,
    '<main>',
    ...sections.map(sectionOf),
    '</main>',
    `<footer>${escapeXml(footer)}</footer>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
