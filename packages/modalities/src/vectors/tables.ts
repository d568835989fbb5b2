/** Modalities whose tokens have no order: the columns of a table's row, and the elements of a set. */
import { ConfigError, excerpt } from '@polygate/core';
import { stepLayout } from './step-layout.ts';
import { tableLayout } from './table-layout.ts';
import { scalesOf } from './token-layout.ts';
import { featuresOf, vectorModality } from './vector-modality.ts';

/** A row of numbers and categories, some of them missing: each column a token. */
export const table = vectorModality({
  name: 'table',
  summary: 'a row of numbers and categories, each column a token',
  axes: 1,
  isOrdered: false,
  layout({ name, stored: { columns = [], statistics } }) {
    if (columns.length > 0) return tableLayout(columns, scalesOf(statistics));
    throw new ConfigError(
      `input "${name}": expected a table with columns, got none; choose another modality, or another array`,
      { code: 'input-shape', fields: { input: name } },
    );
  },
});

/** Elements with attributes, as many as there are: each a token. */
export const set = vectorModality({
  name: 'set',
  summary: 'elements with attributes in no order, each a token',
  axes: 1,
  isOrdered: false,
  layout(input) {
    const { name, stored } = input;
    const { shape, statistics, gaps = false } = stored;
    if (shape && shape.length >= 2 && !shape.slice(1).includes(null))
      return stepLayout({ features: featuresOf(input), patch: 1, scales: scalesOf(statistics), gaps });
    throw new ConfigError(
      `input "${name}": expected an array [elements, attributes] with counts that differ in elements alone, got the shape ${excerpt(shape)}; choose another modality, or another array`,
      { code: 'input-shape', fields: { input: name } },
    );
  },
});
