import { describeProbe } from './engine-speed.ts';
import { probeEngines } from '@polygate/tensor';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';

/** `polygate doctor`: which engines are here, why others are not, and how fast each multiplies. */
export const addDoctor = (program: Command, terminal: Terminal): void => {
  program
    .command('doctor')
    .description('engines found, their versions, why others are not there, and a short speed check of each')
    .option('--json', 'print one JSON object')
    .option('--no-speed', 'skip the speed check')
    .action(async (options: { json?: boolean; speed: boolean }) => {
      const reports = await probeEngines();
      const lines = [`node ${process.versions.node} on ${process.platform}-${process.arch}`];
      const results: Record<string, unknown>[] = [];
      for (const report of reports) {
        const speed = options.speed && report.available ? await describeProbe(report.name) : undefined;
        results.push({ ...report, ...(speed ? { speed } : {}) });
        const head = `${report.available ? 'yes' : 'no '}  ${report.name.padEnd(14)}`;
        lines.push(
          report.available
            ? `${head} ${report.version ?? ''}${speed ? `  ${speed.text}` : ''}`.trimEnd()
            : `${head} ${report.why ?? ''}${report.remedy ? `\n                    ${report.remedy}` : ''}`,
        );
      }
      terminal.print(
        options.json ? JSON.stringify({ node: process.versions.node, engines: results }) : lines.join('\n'),
      );
    });
};
