/** Tables 4 and 5 on the full mini suite: what is pre-trained on, what is novel, and how it is tuned. */
import { pretrainRecipes } from '@polygate/app-pretrain';
import type { StagedExperiment, StagedTask } from './stages.ts';

const { 'mini-generalist': generalist } = pretrainRecipes;

const views = { frames: 4, stride: 2 } as const;

type Row = readonly [label: string, split: string, metric: string];

/** A task of pre-training, with its settings there. */
const trained = (name: string, [label, split, metric]: Row): StagedTask => {
  const recipe = generalist?.tasks?.[name];
  if (!recipe) throw new RangeError(`internal: pre-training has no task ${name}`);
  const { weight: _, ...settings } = recipe;
  return { name, label, recipe: settings, split, metric, novel: false };
};

const clips = (family: 'video-captioning' | 'video-text-retrieval', row: Row): StagedTask => {
  const [label, split, metric] = row;
  const name = `sprite-captions/${family === 'video-captioning' ? 'captioning' : 'retrieval'}`;
  const recipe = { family, dataset: 'sprite-captions', maximumTokens: 24, ...views };
  return { name, label, recipe, split, metric, novel: true };
};

const texts = (
  dataset: string,
  pattern: string,
  { label, words }: { readonly label: string; readonly words?: Readonly<Record<string, string>> },
): StagedTask => ({
  name: dataset,
  label,
  recipe: { family: 'text-classification', dataset, pattern, maximumTokens: 96, ...(words ? { words } : {}) },
  split: 'test',
  metric: 'accuracy',
  novel: true,
});

export const tables45: StagedExperiment = {
  name: 'tables-4-5',
  title: 'Untuned, prompt-tuned on 1 %, fine-tuned on all',
  question:
    'What does one pre-trained model do on the tasks that it was trained on and on novel ones, without tuning, with prompts tuned on 1 % of the data, and fine-tuned on all of it, dense and with attribute-routed experts? (Uni-Perceiver-MoE, Tables 4 and 5)',
  baseline: 'dense',
  variants: [
    { name: 'dense', label: 'dense', experts: null },
    {
      name: 'attribute',
      label: 'attribute experts',
      experts: { experts: 8, topK: 2, condition: 'attribute', every: 2 },
    },
  ],
  suite: 'mini-full',
  pretraining: {
    ...generalist,
    name: 'tables-4-5',
    steps: '6000 steps',
    checkpoint: { every: '10%', keep: 1 },
    validation: { every: '100%', limit: 64, splits: ['validation'] },
  },
  tasks: [
    trained('emoji-group', ['emoji group', 'unseen-concepts', 'top-1']),
    trained('clip-art-category', ['clip art category', 'unseen-series', 'top-1']),
    trained('mnist', ['digits', 'test', 'top-1']),
    trained('fashion', ['clothes', 'test', 'top-1']),
    trained('digit-clips', ['digit of a clip', 'test', 'top-1']),
    trained('motion-clips', ['motion of a clip', 'test', 'top-1']),
    trained('sprite-action', ['action of a sprite', 'unseen-units', 'top-1']),
    trained('sprite-direction', ['direction of a sprite', 'unseen-units', 'top-1']),
    trained('emoji-captions/captioning', ['emoji captions', 'unseen-concepts', 'token-F1']),
    trained('clip-art/captioning', ['clip art captions', 'unseen-series', 'token-F1']),
    trained('icons/captioning', ['icon captions', 'unseen-icons', 'token-F1']),
    trained('emoji-captions/retrieval', ['emoji to text', 'unseen-concepts', 'text recall@10']),
    trained('clip-art/retrieval', ['clip art to text', 'unseen-series', 'text recall@10']),
    trained('icons/retrieval', ['icon to text', 'unseen-icons', 'text recall@10']),
    { ...trained('running-text', ['masked tokens', 'validation', 'accuracy']), tuned: false },
    clips('video-captioning', ['sprite captions', 'unseen-outfits', 'token-F1']),
    clips('video-text-retrieval', ['sprite to text', 'unseen-gallery', 'text recall@10']),
    texts('word-in-context', '{a} ___ , {b}', {
      label: 'word in context',
      words: { different: 'no', same: 'yes' },
    }),
    texts('supersense-noun', '{a}{end} this is ___ .', { label: 'supersense of nouns' }),
    texts('supersense-verb', '{a}{end} this is ___ .', { label: 'supersense of verbs' }),
    texts('definition-match', '{a} ___ , {b}', { label: 'definition match' }),
    texts('substitution-inference', '{a-} ? ___ , {b}', {
      label: 'inference',
      words: { entailment: 'yes', neutral: 'maybe', contradiction: 'no' },
    }),
    texts('verse-pairs', '{a-} . ___ , {b}', { label: 'paraphrases of verses' }),
    texts('fortune-topic', '{a}{end} this is about ___ .', { label: 'topic of a fortune' }),
    texts('spam', '{a}{end} this is ___ .', { label: 'spam', words: { ham: 'good', spam: 'bad' } }),
  ],
  budgets: {
    prompt: {
      steps: 300,
      batchSize: 32,
      share: 0.01,
      optimizer: { learningRate: 5e-3, weightDecay: 0, clipNorm: 1, beta2: 0.98 },
      schedule: { kind: 'constant', warmup: '15 steps' },
      tune: { method: 'prompt' },
    },
    fine: {
      steps: 1200,
      batchSize: 32,
      optimizer: { learningRate: 3e-4, weightDecay: 0.01, clipNorm: 1, beta2: 0.98 },
      schedule: { kind: 'warmup-cosine', warmup: '5%', minimum: 0 },
      tune: { method: 'fine' },
    },
  },
  rows: 1000,
};
