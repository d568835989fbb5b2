export { attributeRow, PAPER_GROUPS, parseRow, rowKey } from './attribute-row.ts';
export type { AttributeRow, SegmentAttributes } from './attribute-row.ts';
export {
  attributeCount,
  attributeNames,
  attributeSchema,
  fromPublishedOrder,
  paperSchema,
  rowBits,
  toPublishedOrder,
} from './attribute-schema.ts';
export type { AttributeBits, AttributeSchema, Bit } from './attribute-schema.ts';
export { attributeTable } from './attribute-table.ts';
export type { AttributeTableEntry } from './attribute-table.ts';
export { unionSignature } from './task-signature.ts';
export type { Modality, TaskSignature, TokenSource } from './task-signature.ts';
