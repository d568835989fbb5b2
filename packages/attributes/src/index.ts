export {
  attributeNames,
  attributeRow,
  fromPublishedOrder,
  parseRow,
  rowKey,
  toPublishedOrder,
} from './attribute-row.ts';
export type { AttributeRow, Bit, SegmentAttributes } from './attribute-row.ts';
export { attributeTable } from './attribute-table.ts';
export type { AttributeTableEntry } from './attribute-table.ts';
export { taskSignatures, unionSignature } from './task-signature.ts';
export type { Modality, TaskSignature, TokenSource } from './task-signature.ts';
