/** Damage to lines and tables: pieces of text that parsers give a meaning, and lines that come, go or move. */
import { pick } from './byte-mutations.ts';
import type { Mutator } from './target.ts';

const pieces: readonly string[] = [
  '"',
  '""',
  '"a""b"',
  ',',
  '\t',
  ';',
  '|',
  '\n',
  '\r',
  '\r\n',
  '\n\n',
  '\\',
  '\0',
  '\u2028',
  '\uFEFF',
  '\uFFFD',
  'é',
  '🙂',
  'nan',
  '-1',
  '1e9',
  'train',
  '../../etc/passwd',
  '<|endoftext|>',
  '#0',
  ' ',
  'x'.repeat(2000),
  ',a'.repeat(5000),
  '"\n'.repeat(50),
];

/** Puts a piece that means something somewhere. */
const insertPiece: Mutator = (bytes, random) => {
  const at = random.integer(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(random, pieces)), bytes.subarray(at)]);
};

const changeLines: Mutator = (bytes, random) => {
  // Latin-1 keeps every byte as it is.
  const lines = Buffer.from(bytes).toString('latin1').split('\n');
  const at = random.integer(lines.length);
  const line = lines[at] ?? '';
  switch (random.integer(6)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, ...Array.from({ length: pick(random, [1, 3, 200]) }, () => line));
      break;
    case 2:
      lines.push(lines.splice(at, 1)[0] ?? '');
      break;
    case 3:
      lines[at] = line.split('').reverse().join('');
      break;
    case 4:
      lines[at] = line.repeat(pick(random, [2, 30])).slice(0, 100_000);
      break;
    default:
      lines[at] = line.slice(0, random.integer(line.length + 1));
  }
  return Buffer.from(lines.join('\n'), 'latin1');
};

export const textMutations: readonly Mutator[] = [insertPiece, changeLines];
