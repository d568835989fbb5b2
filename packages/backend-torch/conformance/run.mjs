// Runs the official tfjs backend suite on the torch engine.
//
//   node packages/backend-torch/conformance/run.mjs [--filter TEXT] [--show N] [--json FILE]
//
// Prints the failures, then `conformance: N passed, N failed, N skipped`; exits 1 when a spec fails.
// POLYGATE_CONFORMANCE_DEVICE=cuda runs it on a GPU. Skipped are the specs that skip-list.mjs names and
// those that the suite itself marks as pending.
import { build } from 'esbuild';
import Jasmine from 'jasmine';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reasonToSkip } from './skip-list.mjs';

const folder = dirname(fileURLToPath(import.meta.url));
const work = join(folder, '../build/conformance');
const option = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};

const status = (() => {
  try {
    return JSON.parse(readFileSync(join(folder, '../build/status.json'), 'utf8'));
  } catch {
    return { state: 'unavailable', why: 'the binding was not built', remedy: 'node native/build.mjs' };
  }
})();
if (status.state !== 'built') {
  process.stdout.write(`conformance: not run: ${status.why}; ${status.remedy}\n`);
  process.exit(2);
}

mkdirSync(work, { recursive: true });
const bundle = join(work, 'suite.mjs');
await build({
  entryPoints: [join(folder, 'suite.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  format: 'esm',
  mainFields: ['module', 'main'],
  conditions: ['@polygate/source'],
  // The suite registers itself by side effect in modules that are marked free of them.
  ignoreAnnotations: true,
  logLevel: 'error',
  banner: {
    js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
  },
});

const jasmine = new Jasmine({ projectBaseDir: folder });
jasmine.jasmine.DEFAULT_TIMEOUT_INTERVAL = 30_000;
jasmine.exitOnCompletion = false;
jasmine.configureDefaultReporter({ print() {} });
const filter = option('--filter');
const skipped = [];
jasmine.env.configure({
  random: false,
  specFilter: (spec) => {
    const name = spec.getFullName();
    if (filter !== undefined && !name.includes(filter)) return false;
    const reason = reasonToSkip(name);
    if (reason !== undefined) skipped.push({ name, reason });
    return reason === undefined;
  },
});
const counts = { passed: 0, failed: 0, pending: 0, excluded: 0 };
const failures = [];
jasmine.clearReporters();
jasmine.addReporter({
  specDone(spec) {
    counts[spec.status] += 1;
    if (spec.status === 'failed') {
      failures.push({
        name: spec.fullName,
        messages: spec.failedExpectations.map(({ message, stack }) => ({ message, stack })),
      });
    }
  },
});
// tfjs warns of its own deprecations and prints profiles; the specs check what they need.
Object.assign(console, { log() {}, warn() {} });
await jasmine.execute([bundle]);

const limit = Number(option('--show') ?? 40);
for (const { name, messages } of failures.slice(0, limit)) {
  process.stdout.write(`FAILED ${name}\n    ${(messages[0]?.message ?? '').slice(0, 400)}\n`);
}
if (failures.length > limit) process.stdout.write(`... and ${failures.length - limit} more\n`);
const json = option('--json');
if (json !== undefined) writeFileSync(json, JSON.stringify({ counts, failures, skipped }, undefined, 2));
process.stdout.write(
  `conformance: ${counts.passed} passed, ${counts.failed} failed, ${skipped.length + counts.pending} skipped\n`,
);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
