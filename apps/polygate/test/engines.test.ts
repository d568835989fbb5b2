/** `polygate engines build`: which engines it knows, and what it says when there is nothing to build with. */
import { exitCodes, main, memoryTerminal } from '../src/index.ts';
import { describe, expect, it } from 'vitest';

const run = async (...argv: string[]): Promise<{ code: number; out: string; log: string }> => {
  const terminal = memoryTerminal();
  const code = await main(argv, terminal);
  return { code, out: terminal.out.join('\n'), log: terminal.log.join('\n') };
};

describe('polygate engines build', () => {
  it.each(['tensorflow', 'toString', '__proto__', 'cpu'])(
    'lists the known where "%s" is none',
    async (name) => {
      const { code, log } = await run('engines', 'build', name);
      expect(code).toBe(exitCodes.usage);
      expect(log).toMatch(
        new RegExp(
          `^error: unknown engine to build "${name}": .*known: tfjs-node, tfjs-node-gpu, torch$`,
          'u',
        ),
      );
    },
  );

  it('needs a name', async () => {
    expect((await run('engines', 'build')).code).toBe(exitCodes.usage);
  });

  it('says what is missing, with the code of engines', async () => {
    const { code, log } = await run('engines', 'build', 'tfjs-node-gpu', '--python', '/nowhere/python');
    expect(code).toBe(exitCodes.engine);
    expect(log).toMatch(
      /expected (?:@tensorflow\/tfjs-node-gpu to be installed, got no such package|a Python with TensorFlow, got \/nowhere\/python|Linux)/u,
    );
  });
});
