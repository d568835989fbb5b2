export { main } from './main.ts';
export { exitCodes } from './exit-codes.ts';
export { memoryTerminal, processTerminal } from './terminal.ts';
export type { Terminal } from './terminal.ts';
