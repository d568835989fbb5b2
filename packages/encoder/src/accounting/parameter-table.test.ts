import { describe, expect, it } from 'vitest';
import { accountParameters } from './accounting.ts';
import { formatParameterParts, formatParameterTable } from './parameter-table.ts';
import type { ExpertConfig } from '../config/expert-config.ts';
import { formatExperts } from '../experts/expert-text.ts';
import { presets } from '../config/presets.ts';

describe('formatParameterTable', () => {
  it('prints the paper’s columns', () => {
    const names = ['ti', 'b', 'b-moe', 'l', 'l-moe'] as const;
    expect(formatParameterTable(names.map((name) => ({ name, config: presets[name] })))).toBe(
      [
        'model  width  heads  layers  #vocab  #encoder  #total  #deployed        trained',
        'ti       192      3      12    9.5M      5.3M   14.8M      14.8M     15,115,397',
        'b        768     12      12     38M       86M    124M       124M    124,604,933',
        'b-moe    768     12      12     38M       86M    124M       167M    422,341,637',
        'l       1024     16      24     51M      303M    354M       354M    355,330,053',
        'l-moe   1024     16      24     51M      303M    354M       505M  1,413,535,749',
      ].join('\n'),
    );
  });
});

describe('formatExperts', () => {
  it('says how many, by what and where', () => {
    expect(formatExperts(presets.b)).toBe('no experts: a dense encoder');
    expect(formatExperts(presets['b-moe'])).toBe(
      "8 experts, 2 chosen by attribute (the attribute bits of the segment's tokens); attention and feed-forward of every block whose number 2 divides, 12 decisions a token",
    );
    expect(formatExperts({ ...presets.mini, moe: { condition: 'token', attention: false, topK: 1 } })).toBe(
      '8 experts, 1 chosen by token (the token itself); feed-forward of every block, 4 decisions a token',
    );
  });
});

describe('formatParameterParts', () => {
  it('prints the exact counts', () => {
    const lines = formatParameterParts(accountParameters(presets['mini-moe'])).split('\n');
    expect(lines[0]).toMatch(/^vocabulary +786,432$/u);
    expect(lines.at(-1)).toMatch(/^deployed \(2 merged sets\) +4,518,725$/u);
    const last = (moe: ExpertConfig) =>
      formatParameterParts(accountParameters({ ...presets.mini, moe }))
        .split('\n')
        .at(-1);
    expect(last({ condition: 'task', tasks: ['a'] })).toMatch(/^deployed \(1 merged set\) +[\d,]+$/u);
    expect(last({ condition: 'token' })).toMatch(/^deployed \(tokens choose: all experts\) +[\d,]+$/u);
  });
});
