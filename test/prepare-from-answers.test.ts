/** `prepare --from PATH` where a person has to say something, or where images would be lost: what is asked, and that the answer is taken. */
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { npyBytes } from './npy-bytes.ts';
import { ids, image, readPrepared, texts, useOwnData } from './own-data.ts';
import { polygate } from './polygate.ts';

const data = useOwnData();

const files = Array.from({ length: 6 }, (_, at) => `${at}.svg`);
const images = async (folder: string, from = 0): Promise<void> => {
  for (const [at, name] of files.entries()) await data.put(`${folder}/${name}`, image(from + at));
};
const lines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');
const exported = (name: string): string => join(import.meta.dirname, 'foreign/fixtures/exports', name);

/** Prepares what lies at a path, with small images and no drawn splits but those that are asked for. */
const from = (path: string, ...more: string[]) =>
  polygate('prepare', '--from', path, '--out', data.at('data'), '--set', 'image.size=8', ...more);
const answered = (path: string, reader: string, ...settings: string[]) =>
  from(path, '--reader', reader, ...settings.flatMap((each) => ['--set', `sources.${each}`]));

/** A table as Excel writes it, whose columns have no usual names. */
const articles = [
  'Bild;Preis;Kategorie;Beschreibung;Split',
  ...files.map(
    (name, at) =>
      `${name};1${at},50;${['Tasse', 'Teller'][at % 2]};ein schönes Stück ${at};${at < 4 ? 'Train' : 'Test'}`,
  ),
].join('\r\n');

describe('prepare --from, answered', () => {
  it('asks for the column of captions as for that of labels, never for that of splits', async () => {
    await images('own/Bilder');
    await data.put('own/artikel.csv', articles);
    const { code, log } = await from(data.at('own'));
    expect(code).toBe(2);
    expect(log).toContain('say which: --reader captions-csv --set sources.own.captionColumn=Beschreibung);');
    expect(log).toContain('say which: --reader labelled-table --set sources.own.labelColumn=Kategorie);');
    const chosen = await answered(data.at('own'), 'captions-csv', 'own.captionColumn=Beschreibung');
    expect([chosen.code, chosen.code === 0 ? '' : chosen.log]).toEqual([0, '']);
    const { splits } = await readPrepared(data.at('data/own'));
    expect([splits['train']?.length, texts(splits['test'])]).toEqual([
      4,
      [['ein schönes stück 4'], ['ein schönes stück 5']],
    ]);
  });

  it('says of a table in another encoding beside images that it is one', async () => {
    await images('own/Bilder');
    await data.put(
      'own/artikel.csv',
      Buffer.from(articles.replaceAll('schönes Stück', 'Teil').replace('Preis', 'Größe'), 'latin1'),
    );
    expect((await from(data.at('own'))).log).toContain(
      'artikel.csv is text in another encoding than UTF-8: iconv -f WINDOWS-1252 -t UTF-8 converts that of Windows',
    );
  });

  it('sees what lies beside a link out of the folder, and follows it where that is said', async () => {
    await images('elsewhere');
    await data.put('own/artikel.csv', articles.replace('Kategorie', 'Label'));
    await symlink(data.at('elsewhere'), data.at('own/Bilder'));
    expect((await from(data.at('own'))).out).toContain('own (labelled-image): train 4, test 2');
    await images('pets/cat', 9);
    await symlink(data.at('elsewhere'), data.at('pets/dog'));
    const { code, log } = await from(data.at('pets'));
    expect(code).toBe(2);
    expect(log).toContain(
      `expected links that stay inside, got dog, which leads to ${data.at('elsewhere')}; set links to "follow" if that is meant; say which: --reader image-folder --set sources.pets.links=follow)`,
    );
    const followed = await answered(data.at('pets'), 'image-folder', 'pets.links=follow');
    expect([followed.code, followed.code === 0 ? '' : followed.log]).toEqual([0, '']);
    expect((await readPrepared(data.at('data/pets'))).classes).toEqual(['cat', 'dog']);
  });

  it('asks which array is that of the labels', async () => {
    await mkdir(data.at('own'), { recursive: true });
    const values = Array.from({ length: 36 }, (_, at) => at % 7);
    await data.put('own/signal.npy', npyBytes(values, [6, 3, 2]));
    await data.put('own/fault.npy', npyBytes([0, 1, 0, 1, 0, 1], [6]));
    const { code, log } = await from(data.at('own'));
    expect([code, log]).toEqual([
      2,
      expect.stringContaining('say which: --reader multimodal-arrays --set sources.own.label=fault)'),
    ]);
    const { out } = await answered(
      data.at('own'),
      'multimodal-arrays',
      'own.label=fault',
      'own.testPercent=0',
    );
    expect(out).toContain('own (multimodal-classes): ');
  });

  it('asks which column of a Parquet file is meant, and says which it took of several', async () => {
    const { code, log } = await from(exported('columns.parquet'));
    expect(code).toBe(2);
    expect(log).toContain(
      'nearly: parquet (1 Parquet file: expected one column of labels, got the columns "jpeg" (bytes), "headline" (text), "body" (text); set labelColumn to it; say which: --reader parquet --set sources.columns.captionColumn=headline or --set sources.columns.captionColumn=body or ',
    );
    const body = ['columns.captionColumn=body', 'columns.testPercent=0', 'columns.validationPercent=0'];
    expect((await answered(exported('columns.parquet'), 'parquet', ...body)).code).toBe(0);
    expect(texts((await readPrepared(data.at('data/columns'))).splits['train'])).toEqual([
      ['this is cup 0.'],
      ['this is cup 1.'],
      ['this is cup 2.'],
    ]);
    expect((await from(exported('catalog.parquet'), '--show')).out).toContain(
      'read as captioned-image with the captions in title; captionColumn takes others (alt_text)\n',
    );
  });

  it('takes rows that name images in objects, or in any field of their own, for no texts', async () => {
    await images('own/pictures');
    const sentences = (at: number) => [{ raw: `a cup ${at}` }, { raw: `one cup ${at}` }];
    const forms: readonly ((name: string, at: number) => object)[] = [
      (name, at) => ({ image: { path: name, width: 8 }, sentences: sentences(at) }),
      (name, at) => ({ image: { file_name: name }, sentences: sentences(at) }),
      (name, at) => ({ shot: name, sentences: sentences(at) }),
    ];
    for (const [at, form] of forms.entries()) {
      await data.put('own/rows.jsonl', lines(files.map(form)));
      const named = ['--set', `name=form-${at}`, '--set', 'sources.own.testPercent=0'];
      const { code, log } = await from(data.at('own'), ...named, '--set', 'sources.own.validationPercent=0');
      expect([code, code === 0 ? '' : log]).toEqual([0, '']);
      const { splits } = await readPrepared(data.at(`data/form-${at}`));
      expect([ids(splits['train']), texts(splits['train'])[1]]).toEqual([files, ['a cup 1', 'one cup 1']]);
    }
    await data.put(
      'own/rows.jsonl',
      lines(files.map((name) => ({ media: { a: { b: name } }, text: 'a cup' }))),
    );
    expect((await from(data.at('own'))).log).toContain(
      'jsonl (rows.jsonl names images such as 0.svg, but not each row names one in a field of its own: put their names into a field "image")',
    );
  });

  it('keeps the suite that is there when one is prepared for a model', async () => {
    for (const [at, name] of ['cat', 'dog'].entries()) await images(`pets/${name}`, at * 8);
    const asked = ['--from', data.at('pets'), '--out', data.at('data')];
    expect((await polygate('prepare', ...asked)).code).toBe(0);
    const kept = await readFile(data.at('data/pets/tokenizer.json'), 'utf8');
    asked.push('--for', '@polygate/mini');
    const { code, log } = await polygate('prepare', ...asked);
    expect([code, log]).toEqual([
      2,
      expect.stringContaining('expected no suite of another source or other settings'),
    ]);
    expect(await readFile(data.at('data/pets/tokenizer.json'), 'utf8')).toBe(kept);
    expect((await polygate('prepare', ...asked, '--set', 'name=pets-2')).code).toBe(0);
  });

  it('tells of numbers with commas, which are no numbers here', async () => {
    const rows = files.map((_, at) => `${20 + at},5;1.${100 + at},25;${['Nord', 'Ost'][at % 2]}`);
    await data.put('flats.csv', `Fläche;Miete;class\n${rows.join('\n')}`);
    const { out, log } = await from(data.at('flats.csv'), '--set', 'sources.flats.columns=["Fläche"]');
    expect(out).toContain(
      'numbers with commas in Fläche, Miete, which are categories unless written with points',
    );
    expect(log).toContain(
      'column "Fläche" holds numbers with commas, such as 20,5, which are read as categories: where they are amounts, write decimals with a point and no sign between thousands',
    );
    await data.put('rents.csv', `Fläche;Miete;Ort\n${rows.join('\n')}`);
    const asked = await answered(data.at('rents.csv'), 'multimodal-table', 'rents.numberColumns=["Miete"]');
    expect(asked.log).toContain(
      'expected a number in column "Miete", got "1.100,25"; write decimals with a point',
    );
  });

  /** 20 messages that differ, with a label of two values, as pandas writes them: with tabs, and quoted where quotes stand. */
  const tickets = (label: string, more: readonly string[] = []): string =>
    [
      ['ticket', 'nachricht', label, ...more.slice(0, 1), 'teil'].join('\t'),
      ...Array.from({ length: 20 }, (_, at) => {
        const text =
          at === 3 ? '"Der ""neue"" Server brennt"' : `Raum ${at} meldet ${at % 2 ? 'Feuer' : 'Ruhe'}`;
        const cells = [
          `T${at}`,
          text,
          at % 2 ? 'hoch' : 'niedrig',
          ...more.slice(1, 2).map((x) => `${x}${at % 3}`),
        ];
        return [...cells, at < 16 ? 'train' : 'test'].join('\t');
      }),
    ].join('\n');

  it('finds texts with labels whatever their columns are called, and asks for the label alone', async () => {
    await data.put('tickets.tsv', tickets('dringlichkeit'));
    const { code, log } = await from(data.at('tickets.tsv'));
    expect([code, log]).toEqual([
      2,
      expect.stringContaining(
        'labelled-tsv (tickets.tsv: texts in nachricht, but no column of labels is called so (label, labels, gold_label, class ...); say which: --reader labelled-tsv --set sources.tickets.labelColumn=dringlichkeit)',
      ),
    ]);
    const chosen = await answered(
      data.at('tickets.tsv'),
      'labelled-tsv',
      'tickets.labelColumn=dringlichkeit',
    );
    expect([chosen.code, chosen.out]).toEqual([
      0,
      expect.stringContaining('tickets (labelled-text): train 16, test 4'),
    ]);
    // Line 5 has quotes in quotes, which belong to CSV and not to the text.
    const { splits } = await readPrepared(data.at('data/tickets'));
    expect(texts(splits['train'])[3]).toEqual(['der "neue" server brennt']);
  });

  it('reads texts with labels as such where there is nothing else, never as categories', async () => {
    await data.put('own.tsv', tickets('label'));
    const alone = await from(data.at('own.tsv'), '--show');
    expect(alone.out).toContain('read by labelled-tsv: own.tsv has texts in nachricht and labels in label');
    await data.put('mixed.tsv', tickets('label', ['haus', 'H']));
    const mixed = await from(data.at('mixed.tsv'));
    expect(mixed.out).toContain('read by multimodal-table: mixed.tsv: categories in haus');
  });
});
