/** What is told of a cgroup from the recorded text of its files, of kernels that this machine need not have. */
import assert from 'node:assert/strict';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { OpenCgroup } from '../../helper/host/cgroups/directory.ts';
import { cpuSection } from '../../helper/host/cgroups/sections.ts';
import { CgroupTexts } from '../../helper/host/cgroups/texts.ts';
import type { CgroupCpu, Lacking } from '../../helper/protocol/cgroups.ts';

/** Of a cgroup whose directory has these files. */
async function cpuOf(version: 1 | 2, controllers: string[], files: Record<string, string>): Promise<CgroupCpu | Lacking> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'isoscope-recorded-'));
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const all = version === 2 ? { 'cgroup.controllers': `${controllers.join(' ')}\n`, ...files } : files;
    for (const [name, text] of Object.entries(all)) writeFileSync(path.join(directory, name), text);
    const hierarchy = { hierarchy: version === 2 ? 'unified' : controllers.join(), id: 1, version, controllers, ownPath: '/' };
    const mount = { mountPoint: directory, device: '0:0', root: '/', whole: true, readOnly: false, options: [] };
    const ref = { hierarchy: hierarchy.hierarchy, path: '/app', ino: 1 };
    const cgroup: OpenCgroup = {
      ref,
      fd,
      directory,
      version,
      hierarchy: { ...hierarchy, mount },
      [Symbol.dispose]: () => undefined,
    };
    return cpuSection({ texts: await CgroupTexts.read(cgroup, false, Object.keys(all)), chain: [] }, undefined, undefined);
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  }
}

async function clampOf(version: 1 | 2, controllers: string[], files: Record<string, string>): Promise<CgroupCpu['uclamp']> {
  const cpu = await cpuOf(version, controllers, files);
  assert.ok('uclamp' in cpu);
  return cpu.uclamp;
}

describe('the clamp of a cgroup’s utilization', () => {
  // Documentation/admin-guide/cgroup-v2.rst: "a rational percentage, 12.34 for 12.34 %"; as a kernel with CONFIG_UCLAMP_TASK_GROUP writes them.
  const usual = { 'cpu.uclamp.min': '0.00\n', 'cpu.uclamp.max': 'max\n' };

  test('is read in percent, v1 and v2 alike', async () => {
    assert.deepEqual(await clampOf(2, ['cpu'], usual), { minPercent: 0, maxPercent: 100 });
    const clamped = { 'cpu.uclamp.min': '12.50\n', 'cpu.uclamp.max': '80.00\n' };
    for (const version of [1, 2] as const)
      assert.deepEqual(await clampOf(version, ['cpu'], clamped), { minPercent: 12.5, maxPercent: 80 });
  });

  test('of a kernel that was built without it is lacking there, and of a cgroup without the controller for that reason', async () => {
    for (const version of [1, 2] as const) assert.deepEqual(await clampOf(version, ['cpu'], {}), { lacking: 'kernel' });
    assert.deepEqual(await clampOf(2, ['memory'], {}), { lacking: 'controller' });
  });

  test('that is not understood is unknown, never none', async () => {
    assert.deepEqual(await clampOf(2, ['cpu'], { ...usual, 'cpu.uclamp.min': 'a few\n' }), { unknown: 'unsupported' });
    assert.deepEqual(await clampOf(2, ['cpu'], { 'cpu.uclamp.min': '0.00\n' }), { lacking: 'kernel' });
  });
});

describe('CPU time of v1', () => {
  const micros = async (usage: number, user: number, system: number) => {
    const cpu = await cpuOf(1, ['cpuacct'], {
      'cpuacct.usage': `${usage}\n`,
      'cpuacct.usage_user': `${user}\n`,
      'cpuacct.usage_sys': `${system}\n`,
    });
    assert.ok('usageMicros' in cpu);
    return [cpu.usageMicros, cpu.userMicros, cpu.systemMicros];
  };

  test('is divided so that no part is above the whole, though its parts are counted by ticks', async () => {
    // As recorded: 4 ms of ticks for 1.2 ms that really ran.
    assert.deepEqual(await micros(1_200_000, 4_000_000, 0), [1200, 1200, 0]);
    assert.deepEqual(await micros(10_000_000, 12_000_000, 4_000_000), [10_000, 7500, 2500]);
    // Without a tick, all of it is the programs', as the kernel has it.
    assert.deepEqual(await micros(900_000, 0, 0), [900, 900, 0]);
  });

  test('whose parts are lacking has a whole all the same', async () => {
    const cpu = await cpuOf(1, ['cpuacct'], { 'cpuacct.usage': '5000000\n' });
    assert.ok('usageMicros' in cpu);
    assert.deepEqual([cpu.usageMicros, cpu.userMicros], [5000, { lacking: 'kernel' }]);
  });
});
