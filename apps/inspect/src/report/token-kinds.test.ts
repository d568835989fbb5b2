import { attributeRow, rowKey } from '@polygate/attributes';
import { registerTaskFamily, segmentRows, taskFamilyNamed } from '@polygate/tasks';
import { expect, it } from 'vitest';
import { segmentName } from './token-kinds.ts';

it('calls tokens what the families of all packages call them', () => {
  expect(segmentName(rowKey(segmentRows.image))).toBe('image');
  expect(segmentName(rowKey(segmentRows.name))).toBe('name or caption as target');
  expect(segmentName(rowKey(segmentRows.maskedText))).toBe('masked text');
  expect(segmentName(rowKey(segmentRows.captionImage))).toBe('image to caption');
  expect(segmentName(rowKey(segmentRows.captionText))).toBe('caption so far');
  expect(segmentName(rowKey(segmentRows.vocabulary))).toBe('token as target');

  const signature = { inputs: ['audio'], targets: ['text'] };
  const row = attributeRow(signature, { modality: 'audio', causal: false, source: 'input' });
  expect(segmentName(rowKey(row))).toBe('attributes 00010001+audio=101');
  const { predict: _verb, ...family } = taskFamilyNamed('image-classification');
  const segments = [{ modality: 'audio', row, label: 'recording' }];
  registerTaskFamily({ ...family, name: 'recordings', signature, segments });
  expect(segmentName(rowKey(row))).toBe('recording');
});
