/** The schema of a Parquet file as types of values, and what the decoder must keep to in each leaf. */
import type { SchemaElement, SchemaTree } from 'hyparquet';
import type { ValueColumn, ValueType } from '../values/value-type.ts';
import { type LeafColumn, ParquetDamage } from './parquet-pages.ts';

/** Deepest nesting of columns that is read: a reader must bound its recursion. */
const MAX_DEPTH = 16;
/** Most columns and parts of them. */
const MAX_ELEMENTS = 100_000;

const numbers: ReadonlySet<string | undefined> = new Set(['INT32', 'INT64', 'FLOAT', 'DOUBLE']);
const times = /^(?:DATE|TIME|INTERVAL)/u;

const leafType = ({ type, converted_type: converted, logical_type: logical }: SchemaElement): ValueType => {
  const said = converted ?? logical?.type;
  if (said !== undefined && times.test(said)) return 'other';
  if (said === 'UTF8' || said === 'STRING' || said === 'ENUM' || said === 'JSON' || said === 'UUID')
    return 'text';
  if (said === 'DECIMAL' || said === 'FLOAT16') return 'number';
  if (type === 'BOOLEAN') return 'boolean';
  if (numbers.has(type)) return 'number';
  return said === undefined && (type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY') ? 'bytes' : 'other';
};

const typeOf = (node: SchemaTree, depth: number): ValueType => {
  if (depth > MAX_DEPTH) throw new ParquetDamage(`columns nested more than ${MAX_DEPTH} deep`);
  const { element, children } = node;
  const [inner] = children;
  const type = ((): ValueType => {
    if (!inner) return leafType(element);
    if (element.converted_type === 'LIST' && children.length === 1) {
      const [item] = inner.children;
      return {
        list: item && inner.children.length === 1 ? typeOf(item, depth + 1) : typeOf(inner, depth + 1),
      };
    }
    return { struct: new Map(children.map((child) => [child.element.name, typeOf(child, depth + 1)])) };
  })();
  // A field that repeats without a list around it, as old writers have it.
  return element.repetition_type === 'REPEATED' && element.converted_type !== 'LIST' && depth === 0
    ? { list: type }
    : type;
};

/** The columns of a file. @throws ParquetDamage for nesting beyond any use, or two columns of one name */
export const columnsOf = (tree: SchemaTree): readonly ValueColumn[] => {
  if (tree.count > MAX_ELEMENTS) throw new ParquetDamage(`a schema of ${tree.count} elements`);
  const columns = tree.children.map((child) => ({ name: child.element.name, type: typeOf(child, 0) }));
  const names = columns.map(({ name }) => name);
  if (names.some((name) => typeof name !== 'string')) throw new ParquetDamage('a column without name');
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new ParquetDamage(`two columns named "${twice}"`);
  return columns;
};

/** What pages of a leaf must keep to. */
export const leafOf = (tree: SchemaTree, path: readonly string[]): LeafColumn => {
  let node = tree;
  let definitions = 0;
  let repetitions = 0;
  for (const name of path) {
    const child = node.children.find(({ element }) => element.name === name);
    if (!child) throw new ParquetDamage(`a column ${path.join('.')} that its schema does not have`);
    if (child.element.repetition_type !== 'REQUIRED') definitions += 1;
    if (child.element.repetition_type === 'REPEATED') repetitions += 1;
    node = child;
  }
  const { type, type_length: length = 0 } = node.element;
  return {
    definitions,
    repetitions,
    fixedLength: type === 'FIXED_LEN_BYTE_ARRAY' ? length : 0,
    boolean: type === 'BOOLEAN',
  };
};
