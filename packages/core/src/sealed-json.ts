/**
 * JSON that carries the SHA-256 of itself as its last entry, so that a changed bit or an edit is seen. The seal covers
 * the text before it; spaces and line ends count, also behind it.
 */
import { sha256 } from '#hashes';

const TAIL = /^([\s\S]*),\n {2}"sha256": "([0-9a-f]{64})"\n\}\n$/u;

/** The text of a record with its seal, indented by two spaces. @param record without an entry `sha256` of its own */
export const sealJson = (record: object): string => {
  const body = JSON.stringify(record, null, 2).replace(/\n?\}$/u, '');
  return `${body},\n  "sha256": "${sha256(body)}"\n}\n`;
};

/** Whether a text carries a seal, and whether it fits: `absent` where there is none to check. */
export const sealOf = (text: string): 'intact' | 'broken' | 'absent' => {
  // An editor's byte order mark is no change of the content.
  const match = TAIL.exec(text.replace(/^\ufeff/u, ''));
  if (!match) return 'absent';
  return sha256(match[1] ?? '') === match[2] ? 'intact' : 'broken';
};
