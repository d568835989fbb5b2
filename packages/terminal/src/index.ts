export { createProgress, plainProgress, screenProgress } from './progress.ts';
export type { PlainProgressOptions } from './progress.ts';
export { describeReport } from './progress-words.ts';
export { createScreen } from './screen.ts';
export type { Screen, ScreenStream } from './screen.ts';
export type { TerminalStream } from './terminal-stream.ts';
