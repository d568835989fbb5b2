/** Arrays of bytes as NumPy's `.npy` files (format version 1.0). */
const MAGIC = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0]);
/** The data begin at a multiple of it. */
const ALIGNMENT = 64;

/** @param shape of `values`, row by row */
export const npyOf = (values: Uint8Array, shape: readonly number[]): Uint8Array => {
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const bare = MAGIC.length + 2 + text.length + 1;
  const header = `${text}${' '.repeat((ALIGNMENT - (bare % ALIGNMENT)) % ALIGNMENT)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([MAGIC, length, Buffer.from(header, 'latin1'), values]);
};
