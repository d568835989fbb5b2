import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Reader, Sample } from '../samples/sample.ts';
import { attributionText } from './attribution.ts';
import { conceptOf, emojiCaptions, loadEmoji, type EmojiSet } from './emoji.ts';
import { iconImage, parseIconSet } from './icon-set.ts';
import { loadMnist, loadSmallDigits } from './mnist.ts';
import { loadMobyDick } from './moby-dick.ts';
import { isValidationSynset, loadWordNet, parseSynset } from './wordnet.ts';

const packages = { workDirectory: fileURLToPath(new URL('.', import.meta.url)) };

const bySplit = async (set: {
  reader: Reader;
  splitOf(sample: Sample): string;
}): Promise<Map<string, Sample[]>> => {
  const out = new Map<string, Sample[]>();
  for await (const item of set.reader.read()) {
    if (item.kind === 'fault') continue;
    const split = set.splitOf(item);
    const list = out.get(split);
    if (list) list.push(item);
    else out.set(split, [item]);
  }
  return out;
};

const valuesOf = (samples: readonly Sample[] | undefined, key: string): Set<string> =>
  new Set((samples ?? []).map((sample) => sample.extra?.[key] ?? ''));

const common = (a: ReadonlySet<string>, b: ReadonlySet<string>): string[] =>
  [...a].filter((value) => b.has(value));

describe('digits for clips', () => {
  it('of the small package are all of its stills, each on its side', async () => {
    const splits = await bySplit(await loadMnist({}, packages));
    const digits = await loadSmallDigits(packages);
    for (const side of ['train', 'validation', 'test'] as const) {
      expect(digits.filter((digit) => digit.side === side).map(({ id }) => id)).toEqual(
        splits.get(side)?.map(({ id }) => id),
      );
    }
  });
});

describe('emoji', () => {
  let set: EmojiSet;
  let splits = new Map<string, Sample[]>();
  beforeAll(async () => {
    set = await loadEmoji({}, packages);
    splits = await bySplit(set);
  });

  it('have the concepts and images of the pinned packages', () => {
    expect(set.concepts).toHaveLength(1644);
    expect(Object.fromEntries([...splits].map(([split, list]) => [split, list.length]))).toEqual({
      train: 4052,
      validation: 133,
      'unseen-concepts': 689,
      'unseen-vendor': 1368,
      'unseen-both': 276,
    });
    expect(set.reader.classes).toHaveLength(8);
  });

  it('keep concepts of training and of unseen splits apart', () => {
    const training = valuesOf(splits.get('train'), 'concept');
    for (const split of ['validation', 'unseen-concepts', 'unseen-both']) {
      expect(common(training, valuesOf(splits.get(split), 'concept'))).toEqual([]);
    }
    expect(
      common(
        valuesOf(splits.get('validation'), 'concept'),
        valuesOf(splits.get('unseen-concepts'), 'concept'),
      ),
    ).toEqual([]);
    // The unseen vendor draws exactly what training knows.
    expect(common(valuesOf(splits.get('unseen-vendor'), 'concept'), training)).toHaveLength(training.size);
    expect(valuesOf(splits.get('unseen-vendor'), 'concept').size).toBe(training.size);
  });

  it('keep the held-out vendor out of training, validation and unseen concepts', () => {
    for (const split of ['train', 'validation', 'unseen-concepts']) {
      expect([...valuesOf(splits.get(split), 'vendor')].sort()).toEqual([
        'fluent-emoji-flat',
        'noto',
        'twemoji',
      ]);
    }
    for (const split of ['unseen-vendor', 'unseen-both']) {
      expect([...valuesOf(splits.get(split), 'vendor')]).toEqual(['openmoji']);
    }
  });

  it('keep all drawings of one emoji that training may see on one side', () => {
    // Near-duplicates of several vendors share the emoji, so an emoji of a training vendor has one split only.
    const sides = new Map<string, Set<string>>();
    for (const [split, samples] of splits) {
      if (split === 'unseen-vendor' || split === 'unseen-both') continue;
      for (const { id } of samples) {
        const hexcode = id.split('/')[0] ?? '';
        sides.set(hexcode, (sides.get(hexcode) ?? new Set()).add(split));
      }
    }
    expect([...sides.values()].every((side) => side.size === 1)).toBe(true);
  });

  it('never name a held-out concept in a training caption', () => {
    const held = new Set(
      ['validation', 'unseen-concepts', 'unseen-both'].flatMap((split) =>
        (splits.get(split) ?? []).map((sample) => sample.texts?.[0]?.toLowerCase() ?? ''),
      ),
    );
    // The first caption is a name of its own, such as "family: man, boy"; the others are lists of keywords.
    const spoken = new Set(
      (splits.get('train') ?? []).flatMap(({ texts = [] }) => [
        ...texts.map((text) => text.toLowerCase()),
        ...texts.slice(1).flatMap((text) => text.toLowerCase().split(', ')),
      ]),
    );
    expect(held.size).toBeGreaterThan(250);
    expect(common(held, spoken)).toEqual([]);
  });

  it('put genders of one concept together', () => {
    expect(conceptOf('1F468-200D-1F373')).toBe(conceptOf('1f9d1-200D-1F373'));
    expect(conceptOf('1F467')).toBe(conceptOf('1F9D2'));
    expect(conceptOf('2764-FE0F-200D-1F525')).toBe('2764');
  });

  it('have the name as first caption, then keywords, three at a time', () => {
    const emoji = {
      label: 'tulip',
      keywords: ['blossom', 'Tulip', 'flower', 'growth', 'rose', 'plant', 'a', 'b', 'c'],
    };
    expect(emojiCaptions(emoji)).toEqual(['tulip', 'blossom, flower, growth', 'rose, plant, a']);
    expect(emojiCaptions(emoji, { forbidden: new Set(['rose', 'flower']) })).toEqual([
      'tulip',
      'blossom, growth, plant',
      'a, b, c',
    ]);
    expect(emojiCaptions(emoji, { keywordCaptions: 0 })).toEqual(['tulip']);
    expect(emojiCaptions({ label: 'x', keywords: [] })).toEqual(['x']);
  });

  it('refuse unknown vendors and none to train on', async () => {
    await expect(loadEmoji({ vendors: ['notto'] }, packages)).rejects.toThrow(
      'unknown emoji vendor "notto": did you mean "noto"? known: fluent-emoji-3d, fluent-emoji-flat, fxemoji, noto, openmoji, twemoji',
    );
    await expect(loadEmoji({ vendors: ['openmoji'] }, packages)).rejects.toThrow(
      'expected at least one vendor besides the held-out "openmoji", got openmoji; add one of noto, twemoji, fluent-emoji-flat, fxemoji, fluent-emoji-3d',
    );
  });
});

describe('icon sets', () => {
  const set = parseIconSet(
    Buffer.from(
      JSON.stringify({
        icons: { cat: { body: '<g/>' }, wide: { body: '<p/>', width: 20, left: 2 } },
        aliases: {
          kitty: { parent: 'cat' },
          mirrored: { parent: 'cat', hFlip: true },
          ring: { parent: 'ring' },
        },
        height: 10,
      }),
    ),
    Buffer.from(
      JSON.stringify({ '1f408': 'kitty', '1f409-fe0f': 'wide', '1f410': 'mirrored', '1f411': 'ring' }),
    ),
  );
  const image = (hexcode: string, label = ''): unknown => {
    const icon = iconImage(set, { hexcode, label }, 48);
    return icon instanceof Uint8Array ? Buffer.from(icon).toString() : icon;
  };

  it('follow aliases and names, and draw at the wanted size', () => {
    expect(image('1F408')).toContain('width="48" height="48" viewBox="0 0 16 10"><g/>');
    expect(image('1F409-FE0F')).toContain('viewBox="2 0 20 10"><p/>');
    expect(image('0000', 'Cat!')).toContain('<g/>');
    expect(image('1F410')).toBe('transformed');
    expect(image('1F411')).toBeUndefined();
    expect(image('0000', 'constructor')).toBeUndefined();
  });
});

describe('digits', () => {
  it('split by their pixels', async () => {
    const splits = await bySplit(await loadMnist({ perDigit: 100 }, packages));
    const counts = ['train', 'validation', 'test'].map((split) => splits.get(split)?.length ?? 0);
    expect(counts.reduce((a, b) => a + b)).toBe(1000);
    // 15 % of 1000 with a standard deviation of sqrt(1000 * 0.15 * 0.85) = 11.3.
    expect(Math.abs((counts[2] ?? 0) - 150)).toBeLessThan(5 * 11.3);
    const pixels = (split: string): Set<string> =>
      new Set(
        (splits.get(split) ?? []).map(({ image }) =>
          image?.kind === 'pixels' ? Buffer.from(image.pixels).toString('latin1') : '',
        ),
      );
    expect(common(pixels('train'), pixels('test'))).toEqual([]);
  });
});

describe('WordNet', () => {
  it('parses a line of the data files', () => {
    const line =
      '00002684 03 n 02 object 0 physical_object 0 001 @ 00001930 n 0000 | a tangible and visible entity; "it was full of rackets"; "a ball"  ';
    expect(parseSynset('noun', line)).toEqual({
      id: 'noun-00002684',
      lemmas: ['object', 'physical_object'],
      definition: 'a tangible and visible entity',
      examples: ['it was full of rackets', 'a ball'],
    });
    expect(
      parseSynset('adj', '00013887 00 s 01 galore(ip) 0 001 & 00013662 a 0000 | in great numbers')?.lemmas,
    ).toEqual(['galore']);
    expect(parseSynset('noun', '  1 This software and database')).toBeUndefined();
  });

  it('keeps glosses and examples of validation lemmas out of training', async () => {
    const splits = await bySplit(await loadWordNet({}, packages));
    const lines = (split: string): string[] =>
      (splits.get(split) ?? []).map((sample) => sample.texts?.[0] ?? '');
    expect([lines('train').length, lines('validation').length]).toEqual([98106, 19329]);
    const lemmas = (line: string): string[] =>
      line
        .slice(0, line.indexOf(': '))
        .split(', ')
        .map((lemma) => lemma.replaceAll(' ', '_'));
    expect(lines('train').filter((line) => isValidationSynset(lemmas(line)))).toEqual([]);
    const glosses = (split: string): Set<string> =>
      new Set(
        lines(split).flatMap((line) => {
          const gloss = line.slice(line.indexOf(': ') + 2);
          return [
            gloss.split('; "')[0] ?? '',
            ...[...gloss.matchAll(/"([^"]+)"/gu)].map((match) => match[1] ?? ''),
          ];
        }),
      );
    expect(common(glosses('validation'), glosses('train'))).toEqual([]);
  });
});

describe('Moby-Dick', () => {
  it('has its last chapters in validation', async () => {
    const splits = await bySplit(await loadMobyDick({}, packages));
    expect(
      splits
        .get('train')
        ?.map(({ id }) => id)
        .at(-1),
    ).toBe('chapter-120');
    expect(splits.get('validation')?.map(({ id }) => id)).toEqual([
      ...Array.from({ length: 15 }, (_, i) => `chapter-${121 + i}`),
      'epilogue',
    ]);
    const paragraphs = splits.get('train')?.[0]?.texts ?? [];
    expect(paragraphs[0]).toMatch(/^Call me Ishmael\. Some years ago/u);
    const training = new Set(splits.get('train')?.flatMap(({ texts }) => texts ?? []));
    const held = new Set(
      splits
        .get('validation')
        ?.flatMap(({ texts }) => texts ?? [])
        .filter((text) => text.length > 60),
    );
    expect(common(training, held)).toEqual([]);
  });
});

describe('attribution', () => {
  it('names work, author, licence and version of what was used, and nothing else', () => {
    const text = attributionText(['openmoji', 'moby-dick']);
    expect(text).toContain('CC-BY-SA-4.0');
    expect(text).toContain('npm package `@iconify-json/openmoji` 1.2.29');
    expect(text).not.toContain('Twemoji');
    expect(() => attributionText([])).toThrow('expected at least one data source, got none');
  });
});
