/**
 * Copies of batches that keep their place: a function that was given one finds the values of another batch there later.
 * Batches are plain data (typed arrays, lists, objects of them); what else is in one, such as a function, stands for itself.
 */

type Values = Float32Array | Float64Array | Int32Array | Uint8Array | Int8Array | Int16Array;

const isValues = (value: unknown): value is Values =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const names = new WeakMap<object, number>();
let named = 0;

/** A number for an object that is known by its identity alone. */
const nameOf = (value: object): number => {
  let name = names.get(value);
  if (name === undefined) names.set(value, (name = named += 1));
  return name;
};

/**
 * All of a batch but the elements of its typed arrays, as a text: two batches of one layout differ in these elements alone.
 */
export const layoutOf = (value: unknown): string => {
  if (isValues(value)) return `${value.constructor.name}${value.length}`;
  if (Array.isArray(value)) return `[${value.map(layoutOf).join()}]`;
  if (isPlain(value)) {
    const fields = Object.entries(value).map(([name, field]) => `${name}:${layoutOf(field)}`);
    return `{${fields.join()}}`;
  }
  if (typeof value === 'string') return JSON.stringify(value);
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
    ? `#${nameOf(value)}`
    : String(value);
};

/** A copy with typed arrays of its own. An array that stands in two places stands in two places of the copy. */
export const copyBatch = <Batch>(batch: Batch): Batch => {
  const copies = new Map<object, unknown>();
  const copy = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const before = copies.get(value);
    if (before !== undefined) return before;
    let made: unknown = value;
    if (isValues(value)) made = value.slice();
    else if (Array.isArray(value)) made = value.map(copy);
    else if (isPlain(value))
      made = Object.fromEntries(Object.entries(value).map(([name, field]) => [name, copy(field)]));
    copies.set(value, made);
    return made;
  };
  return copy(batch) as Batch;
};

/** Writes the values of a batch into a copy of another one of its layout. */
export const refillBatch = (copy: unknown, batch: unknown): void => {
  if (isValues(copy)) copy.set(batch as Values);
  else if (Array.isArray(copy)) copy.forEach((each, at) => refillBatch(each, (batch as unknown[])[at]));
  else if (isPlain(copy)) {
    for (const [name, field] of Object.entries(copy)) refillBatch(field, (batch as typeof copy)[name]);
  }
};
