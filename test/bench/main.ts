/**
 * `npm run bench [-- [--json] [WORD]]`: every figure that the project promises, measured here and now. `--json` prints an array
 * of `{name, target, ours, peer, ratio, unit, holds}` and nothing else on standard output; a word selects the rows whose name has it.
 */
import { parseArgs } from 'node:util';
import { activationRows } from './activation.ts';
import { cgroupRows } from './cgroups.ts';
import { discoveryRows } from './discovery.ts';
import { idleRows } from './idle.ts';
import { layerFileRows } from './layerFiles.ts';
import { layerRows } from './layers.ts';
import { programRows } from './programs.ts';
import { type Result, resultOf } from './rows.ts';
import { sandboxRows } from './sandboxes.ts';

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean', default: false } }, allowPositionals: true });
const rows = [
  ...discoveryRows,
  ...cgroupRows,
  ...layerRows,
  ...layerFileRows,
  ...programRows,
  ...sandboxRows,
  ...activationRows,
  ...idleRows,
].filter(({ name }) => positionals.every((word) => name.includes(word)));
if (rows.length === 0) throw new Error(`no row has ${positionals.join(' and ')} in its name`);

const results: Result[] = [];
for (const row of rows) {
  process.stderr.write(`measuring: ${row.name}\n`);
  results.push(await resultOf(row));
}

if (values.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
else for (const line of table(results)) process.stdout.write(`${line}\n`);

function table(all: readonly Result[]): string[] {
  const number = (value: number, unit = '') => `${value.toPrecision(3)}${unit}`;
  const cells = all.map((one) => [
    one.name,
    number(one.ours, ` ${one.unit}`),
    one.peer === null ? '–' : number(one.peer, ` ${one.unit}`),
    number(one.ratio),
    `≤ ${number(one.target)}`,
    one.holds ? 'holds' : 'MISSED',
  ]);
  const lines = [['figure', 'ours', 'peer', 'ratio', 'target', ''], ...cells];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
