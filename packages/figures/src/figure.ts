/**
 * A figure: SVG content of a known size with a title and a description for those who cannot see it, apart from where it
 * goes: on a page that has the style sheet, or in a file of its own.
 */
import { element, escapeXml, text } from './svg.ts';
import { figureStyles } from './theme.ts';

export interface Figure {
  readonly title: string;
  /** What the figure shows, in a sentence or two, with its main numbers. */
  readonly description: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** SVG elements; classes are those of {@link figureStyles}. */
  readonly body: string;
}

export interface RenderOptions {
  /** Unique on its page; the title and description get ids from it. */
  readonly id: string;
  /**
   * `page` for a page that carries the style sheet, `file` for a file that follows the reader's light or dark setting,
   * `image` for engines that turn it into pixels: light, on an opaque surface. @default 'file'
   */
  readonly target?: 'page' | 'file' | 'image';
}

/** SVG text of a figure. */
export const renderFigure = (figure: Figure, { id, target = 'file' }: RenderOptions): string => {
  const { title, description, width, height, body } = figure;
  const surface = element('rect', { width, height, class: 'pg-surface' });
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: 'pg-figure',
      viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
      ...(target === 'page' ? {} : { width: Math.ceil(width), height: Math.ceil(height) }),
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-desc`,
    },
    [
      `<title id="${escapeXml(id)}-title">${escapeXml(title)}</title>`,
      `<desc id="${escapeXml(id)}-desc">${escapeXml(description)}</desc>`,
      ...(target === 'page'
        ? []
        : [`<style>${figureStyles(target === 'image' ? 'light' : 'both')}</style>`, surface]),
      body,
    ],
  );
};

export interface GridOptions {
  readonly title: string;
  readonly description: string;
  /** Panels side by side. */
  readonly columns: number;
  /** Pixels between panels. @default 20 */
  readonly gap?: number;
}

/** One figure of many panels, each under its own title. */
export const gridFigure = (panels: readonly Figure[], options: GridOptions): Figure => {
  const { title, description, columns, gap = 20 } = options;
  const TITLE = 22;
  let top = 0;
  let width = 0;
  const parts: string[] = [];
  for (let start = 0; start < panels.length; start += columns) {
    const row = panels.slice(start, start + columns);
    let left = 0;
    for (const panel of row) {
      parts.push(
        element('g', { transform: `translate(${left} ${top})` }, [
          text(panel.title, { x: 0, y: 14, class: 'pg-ink pg-title' }),
          element('g', { transform: `translate(0 ${TITLE})` }, [panel.body]),
        ]),
      );
      left += panel.width + gap;
    }
    width = Math.max(width, left - gap);
    top += TITLE + Math.max(...row.map(({ height }) => height)) + gap;
  }
  return { title, description, width, height: Math.max(0, top - gap), body: parts.join('') };
};
