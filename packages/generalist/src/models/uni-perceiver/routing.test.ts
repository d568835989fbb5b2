import type { SiteReport } from '@polygate/encoder';
import { describe, expect, it } from 'vitest';
import { routingRecords } from './routing.ts';

describe('routingRecords', () => {
  const moe = { groups: [{ name: 'experts', condition: 'token', experts: 2, topK: 1 }] };
  const encoder = { config: { moe } } as unknown as Parameters<typeof routingRecords>[0];
  const counts = (tokens: number, first: number, dropped = 0) => ({
    tokens,
    choices: [first, tokens - first],
    gates: [0.5 * first, tokens - first],
    entropy: tokens * 0.5,
    dropped,
  });
  const report = (groups: SiteReport['groups'], losses?: SiteReport['losses']): SiteReport => ({
    group: 'experts',
    block: 1,
    linears: ['ffn.fc1', 'ffn.fc2'],
    groups,
    ...(losses ? { losses } : {}),
  });
  const text = { modality: 'text', attributes: '10010100', task: 'naming' };
  const image = { modality: 'visual', attributes: '10011001', task: 'naming' };

  it('says where a group of tokens chooses another number of experts', () => {
    const twice = { ...counts(4, 4), choices: [4, 4] };
    const [record] = routingRecords(encoder, 'naming', [
      report([
        { ...image, counts: counts(6, 6) },
        { ...text, counts: twice },
      ]),
    ]);
    const { sites } = record?.values as unknown as { sites: [{ groups: readonly { topK?: number }[] }] };
    expect(sites[0].groups.map(({ topK }) => topK)).toEqual([undefined, 2]);
  });

  it('adds up what a router did in all forwards of a step, over all and by group', () => {
    const [record, ...more] = routingRecords(encoder, 'naming', [
      report([{ ...image, counts: counts(6, 6, 2) }], { balance: 2, z: 1 }),
      report(
        [
          { ...image, counts: counts(2, 1) },
          { ...text, counts: counts(4, 1) },
        ],
        { balance: 1, z: 3 },
      ),
    ]);
    expect(more).toEqual([]);
    // 12 tokens, 8 of them with expert 0: load 2/3 and 1/3, (2/3 - 1/2) / (1/2) = 1/3 too much; gates 4 and 4.
    expect(record).toEqual({
      kind: 'routing',
      values: {
        task: 'naming',
        condition: 'token',
        experts: 2,
        topK: 1,
        sites: [
          {
            block: 1,
            linears: ['ffn.fc1', 'ffn.fc2'],
            tokens: 12,
            load: [8 / 12, 4 / 12],
            importance: [4 / 12, 4 / 12],
            entropy: 0.5,
            droppedFraction: 2 / 12,
            dead: [],
            maximumViolation: expect.closeTo(1 / 3, 12) as number,
            balance: 1.5,
            z: 2,
            groups: [
              expect.objectContaining({ ...image, tokens: 8, load: [7 / 8, 1 / 8], droppedFraction: 2 / 8 }),
              expect.objectContaining({ ...text, tokens: 4, load: [1 / 4, 3 / 4], dead: [] }),
            ],
          },
        ],
      },
    });
  });

  it('names experts that nothing chose, and is absent where nothing was reported', () => {
    const [record] = routingRecords(encoder, 'naming', [report([{ ...text, counts: counts(4, 4) }])]);
    expect(record?.values).toMatchObject({ sites: [{ dead: [1], maximumViolation: 1 }] });
    expect(routingRecords(encoder, 'naming', [])).toEqual([]);
  });

  it('gives each of several groups of experts a record with its name', () => {
    const several = {
      config: {
        moe: {
          groups: [
            { name: 'attend', condition: 'modality', experts: 3, topK: 1 },
            { name: 'feed', condition: 'token', experts: 2, topK: 1 },
          ],
        },
      },
    } as unknown as Parameters<typeof routingRecords>[0];
    const siteReport = {
      ...report([{ ...text, counts: counts(4, 1) }], { balance: 1, z: 2, load: 3 }),
      group: 'feed',
    };
    const [record, ...more] = routingRecords(several, 'naming', [siteReport]);
    expect(more).toEqual([]);
    expect(record?.values).toMatchObject({
      group: 'feed',
      condition: 'token',
      sites: [{ balance: 1, z: 2, load: 3 }],
    });
  });
});
