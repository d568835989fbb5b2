/** A mono recording of 16 bits: a tone of 0.1 seconds. */
export const wavBytes = (hertz: number, rate = 16_000): Buffer => {
  const count = rate / 10;
  const bytes = Buffer.alloc(44 + 2 * count);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(36 + 2 * count, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(2 * rate, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(2 * count, 40);
  for (let i = 0; i < count; i += 1)
    bytes.writeInt16LE(Math.round(2 ** 14 * Math.sin((2 * Math.PI * hertz * i) / rate)), 44 + 2 * i);
  return bytes;
};
