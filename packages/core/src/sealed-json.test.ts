import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sealJson, sealOf } from './sealed-json.ts';

describe('sealed JSON', () => {
  it('is JSON whose last entry is the SHA-256 of the text before it', () => {
    const text = sealJson({ step: 3, names: ['a'] });
    const body = '{\n  "step": 3,\n  "names": [\n    "a"\n  ]';
    const sha256 = createHash('sha256').update(body).digest('hex');
    expect(text).toBe(`${body},\n  "sha256": "${sha256}"\n}\n`);
    expect(JSON.parse(text)).toEqual({ step: 3, names: ['a'], sha256 });
    expect(sealOf(`\ufeff${text}`)).toBe('intact');
  });

  it('shows every changed bit', () => {
    const bytes = Buffer.from(sealJson({ step: 3, cursors: { a: 7 } }));
    expect(sealOf(bytes.toString('utf8'))).toBe('intact');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(sealOf(changed.toString('latin1'))).not.toBe('intact');
    }
  });

  it('says where there is nothing to check', () => {
    expect(sealOf('{"step":3}')).toBe('absent');
    expect(sealOf('')).toBe('absent');
  });
});
