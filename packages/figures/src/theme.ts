/**
 * Colours for light and dark surfaces. The series colours keep a contrast of 3 : 1 with their surface, and any two of the
 * six stay apart for the three kinds of colour blindness; the tests compute both. Charts never rely on colour alone:
 * lines have dashes and names, cells have numbers or hover texts.
 */

export interface Theme {
  readonly surface: string;
  readonly ink: string;
  readonly quiet: string;
  readonly grid: string;
  /** Lines, by number. */
  readonly series: readonly string[];
  /** Cells of a heat map at their full value. */
  readonly heat: string;
  /** Cells of a signed matrix at their full value. */
  readonly positive: string;
  readonly negative: string;
}

export const light: Theme = Object.freeze({
  surface: '#ffffff',
  ink: '#1f2328',
  quiet: '#59636e',
  grid: '#d8dee4',
  series: Object.freeze(['#1a3fb5', '#a42a05', '#00938f', '#6b2366', '#c2700c', '#9a4df0']),
  heat: '#0b4f9e',
  positive: '#1b6fc4',
  negative: '#d0500c',
});

export const dark: Theme = Object.freeze({
  surface: '#0f1419',
  ink: '#e8edf2',
  quiet: '#9aa6b2',
  grid: '#2d353e',
  series: Object.freeze(['#7480ff', '#f0a07a', '#5fe6dc', '#dd5a98', '#e8dc3c', '#b9b4ff']),
  heat: '#7fc0ff',
  positive: '#4b9ff0',
  negative: '#ff8f4d',
});

/** Dashes of lines by number, so that lines differ without colour. */
export const dashes: readonly string[] = Object.freeze(['none', '7 3', '2 2', '9 3 2 3', '4 2', '1 3']);

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

const rules = (theme: Theme, scope: string): string =>
  [
    `${scope}.pg-surface{fill:${theme.surface}}`,
    `${scope}.pg-ink{fill:${theme.ink}}`,
    `${scope}.pg-quiet{fill:${theme.quiet}}`,
    `${scope}.pg-grid{stroke:${theme.grid};fill:none}`,
    `${scope}.pg-axis{stroke:${theme.quiet};fill:none}`,
    `${scope}.pg-mark{stroke:${theme.ink};fill:none}`,
    `${scope}.pg-heat{fill:${theme.heat}}`,
    `${scope}.pg-positive{fill:${theme.positive}}`,
    `${scope}.pg-negative{fill:${theme.negative}}`,
    ...theme.series.map(
      (colour, at) =>
        `${scope}.pg-line-${at}{stroke:${colour};fill:none}${scope}.pg-dot-${at}{fill:${colour}}`,
    ),
  ].join('');

/**
 * The style sheet that figures need.
 * @param modes `light` alone for engines without media queries; `both` follows the reader's setting
 */
export const figureStyles = (modes: 'light' | 'both' = 'both'): string =>
  [
    `.pg-figure text{font-family:${FONT};font-size:12px}`,
    '.pg-figure .pg-small{font-size:11px}',
    '.pg-figure .pg-title{font-size:13px;font-weight:600}',
    '.pg-figure .pg-hit{fill:#808080;fill-opacity:0}',
    '.pg-figure .pg-hit:hover{fill-opacity:.14}',
    '.pg-figure .pg-cell:hover{stroke:#808080;stroke-width:1.5}',
    rules(light, '.pg-figure '),
    ...(modes === 'both' ? [`@media (prefers-color-scheme:dark){${rules(dark, '.pg-figure ')}}`] : []),
  ].join('\n');
