/** An array in NumPy's format, version 1.0, of float64 in order C. */
export const npyBytes = (values: readonly number[], shape: readonly number[]): Uint8Array => {
  const sides = shape.length === 1 ? `${shape[0] ?? 0},` : shape.join(', ');
  const text = `{'descr': '<f8', 'fortran_order': False, 'shape': (${sides}), }`;
  const header = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11, ' ');
  const head = Buffer.alloc(10);
  head.write('\u0093NUMPY\u0001\u0000', 'latin1');
  head.writeUInt16LE(header.length + 1, 8);
  const body = Buffer.from(Float64Array.from(values).buffer);
  return Buffer.concat([head, Buffer.from(`${header}\n`, 'latin1'), body]);
};
