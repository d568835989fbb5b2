/**
 * 16-bit floats as they lie in files. bfloat16 is the upper half of a float32; float16 is IEEE 754 binary16.
 */

/** Widens bfloat16 bits; exact. */
export const bfloat16ToFloat32 = (bits: Uint16Array): Float32Array => {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i += 1) wide[i] = (bits[i] ?? 0) << 16;
  return new Float32Array(wide.buffer);
};

/** Rounds to bfloat16 bits, to nearest with ties to even; a NaN stays a NaN. */
export const float32ToBfloat16 = (values: Float32Array): Uint16Array => {
  const wide = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i += 1) {
    const w = wide[i] ?? 0;
    // The carry of the rounding would turn some NaNs into infinities: set the quiet bit instead.
    bits[i] = (w & 0x7fffffff) > 0x7f800000 ? (w >>> 16) | 0x40 : (w + 0x7fff + ((w >>> 16) & 1)) >>> 16;
  }
  return bits;
};

/** Widens IEEE half-precision bits; exact. */
export const float16ToFloat32 = (bits: Uint16Array): Float32Array => {
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i += 1) {
    const h = bits[i] ?? 0;
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >>> 10) & 0x1f;
    const fraction = h & 0x3ff;
    if (exponent === 0) values[i] = sign * fraction * 2 ** -24;
    else if (exponent === 31) values[i] = fraction === 0 ? sign * Infinity : NaN;
    else values[i] = sign * (1024 + fraction) * 2 ** (exponent - 25);
  }
  return values;
};
