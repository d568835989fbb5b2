/** What stands in cells of tables of values, as images, texts and labels. */
import { type Budgets, excerpt, overBudget } from '@polygate/core';
import { isJsonFields } from '../samples/json-captions.ts';
import type { ImageContent } from '../samples/sample.ts';
import { plainValue } from './value-type.ts';

/** Why a cell can't be used, as a fault has it. */
export interface CellProblem {
  readonly code: string;
  readonly reason: string;
}

export const isProblem = <T extends object>(value: T | CellProblem): value is CellProblem =>
  'code' in value && 'reason' in value;

/** An image's bytes, or the name of its file. */
export type ImageCell = ImageContent | { readonly kind: 'name'; readonly name: string };

/** A cell in words, without what it may hold of bytes. */
const shown = (value: unknown): string =>
  value instanceof Uint8Array
    ? `${value.length} bytes`
    : value === undefined
      ? 'nothing'
      : excerpt(value, 80);

/** The image of a cell: bytes, `{ bytes, path }` with one of them, or the name of a file. */
export const imageOfCell = (value: unknown): ImageCell | CellProblem => {
  const cell = plainValue(value);
  if (cell instanceof Uint8Array && cell.length > 0) return { kind: 'bytes', bytes: cell };
  if (typeof cell === 'string' && cell.trim() !== '') return { kind: 'name', name: cell.trim() };
  if (isJsonFields(cell)) {
    const bytes = plainValue(cell['bytes']);
    if (bytes instanceof Uint8Array && bytes.length > 0) return { kind: 'bytes', bytes };
    const path = plainValue(cell['path']);
    if (typeof path === 'string' && path.trim() !== '') return { kind: 'name', name: path.trim() };
    return { code: 'no-image', reason: 'expected bytes or a path of an image, got neither' };
  }
  return { code: 'no-image', reason: `expected an image, got ${shown(cell)}` };
};

/** Parts of a cell that are texts: a text, a list, or a record `{ caption | text | raw }`, at any depth. */
const partsOf = (value: unknown): readonly unknown[] => {
  const cell = plainValue(value);
  if (Array.isArray(cell)) return cell.flatMap(partsOf);
  if (!isJsonFields(cell) || cell instanceof Uint8Array) return [cell];
  const key = ['caption', 'text', 'raw'].find((name) => Object.hasOwn(cell, name));
  return key === undefined ? [cell] : partsOf(cell[key]);
};

/** The texts of a cell, white space around them taken off. */
export const textsOfCell = (
  value: unknown,
  { textBytes }: Pick<Budgets, 'textBytes'>,
): readonly string[] | CellProblem => {
  const texts: string[] = [];
  for (const part of partsOf(value)) {
    if (typeof part !== 'string') {
      return part === undefined
        ? { code: 'empty-text', reason: 'expected a text, got nothing' }
        : { code: 'bad-text', reason: `expected a text (UTF-8), got ${shown(part)}` };
    }
    const bytes = Buffer.byteLength(part);
    if (bytes > textBytes)
      return { code: 'text-too-long', reason: overBudget('textBytes', textBytes, bytes) };
    if (part.trim() === '') return { code: 'empty-text', reason: 'expected a text, got an empty one' };
    texts.push(part.trim());
  }
  return texts.length > 0 ? texts : { code: 'empty-text', reason: 'expected a text, got an empty list' };
};

/** Paragraphs of a text, their lines joined by spaces. */
export const paragraphsOf = (text: string): readonly string[] =>
  text
    .split(/(?:\r?\n[^\S\n]*){2,}/u)
    .map((part) => part.replace(/\s*\r?\n\s*/gu, ' ').trim())
    .filter((part) => part !== '');

/** Whether a label is -1, as rows without label have it where classes are a list. */
export const isMinusOne = (value: unknown): boolean => plainValue(value) === -1;

/** Whether there is no label: nothing, an empty text, NaN. */
export const isUnlabelled = (value: unknown): boolean => {
  const cell = plainValue(value);
  return cell === undefined || (typeof cell === 'string' && cell.trim() === '') || Number.isNaN(cell);
};
