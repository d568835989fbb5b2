/** Writes ustar members for tests, wrong ones among them. */

export interface MemberOptions {
  /** Type flag. @default '0' */
  readonly type?: string;
  /** Size that the header claims. @default the length of the body */
  readonly size?: number;
}

/** One member: header and padded body. */
export const tarMember = (name: string, body: Uint8Array, options: MemberOptions = {}): Buffer => {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, 'utf8');
  header.write('0000644\0', 100, 'latin1');
  header.write(`${(options.size ?? body.length).toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write(options.type ?? '0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
};

/** The end of an archive. */
export const tarEnd = Buffer.alloc(1024);
