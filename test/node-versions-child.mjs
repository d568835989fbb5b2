/**
 * One process of the test of Node versions: command lines one after the other, through the built packages as a user
 * would give them, in the folder that it is started in.
 *
 * node node-versions-child.mjs COMMANDS.json, a list of `{ "argv": [...], "stopAtCheckpoint": true|absent }`; prints
 * for each one JSON line `{ "code", "out": [...] }`, and what was logged on standard error.
 */
import { readFileSync, writeSync } from 'node:fs';
import { createLogger } from '@polygate/core';
import { main } from 'polygate';

for (const { argv, stopAtCheckpoint } of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const controller = new AbortController();
  const out = [];
  const terminal = {
    logger: createLogger((level, message) => {
      writeSync(2, `${level}: ${message}\n`);
      if (stopAtCheckpoint && message.startsWith('checkpoint')) controller.abort();
    }),
    signal: controller.signal,
    stream: { write: () => {}, isTTY: false },
    print: (text) => out.push(text),
  };
  const code = await main(argv, terminal);
  writeSync(1, `${JSON.stringify({ code, out })}\n`);
}
