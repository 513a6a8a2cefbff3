/** Boots the guest on QEMU (software emulation, no network), runs one job in it, and passes on what it prints. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../../scripts/run.mjs';
import type { GuestImage } from './image.ts';

export interface Job {
  /** Files for the guest, as [path here, path below /project there]; folders are copied whole. */
  files: [from: string, to: string][];
  /** A script for /bin/sh, run as root from /project (read-only) once the system is up. */
  script: string;
  onLine(line: string): void;
  /** It is ended when it has said nothing for so long. */
  silentMillis: number;
  /** By the name below /dev/virtio-ports there: the path of a socket here that is the other end, to connect to. */
  ports?: Record<string, string>;
  /** Somebody waits for it: it is not put behind everything else on this machine. */
  urgent?: boolean;
}

const PROJECT_DISK_SIZE = '1G';
const JOB_ENDED = /^guest: job ended: [\w-]+ (\d+)?/;

/** The job's exit status. @throws Error with the end of the console when the guest did not come to the job's end. */
export async function runInGuest(image: GuestImage, job: Job): Promise<number> {
  const work = mkdtempSync(path.join(os.tmpdir(), 'isoscope-vm-'));
  try {
    const disk = await projectDisk(work, job);
    return await boot(image, disk, path.join(work, 'console.log'), job);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function projectDisk(work: string, job: Job): Promise<string> {
  const folder = path.join(work, 'project');
  await run('mkdir', ['-p', folder], { quiet: true });
  for (const [from, to] of job.files) {
    const target = path.join(folder, to);
    await run('mkdir', ['-p', path.dirname(target)], { quiet: true });
    await run('cp', ['-a', '--', from, target], { quiet: true });
  }
  writeFileSync(path.join(folder, 'job.sh'), job.script);
  const disk = path.join(work, 'project.ext4');
  await run('mke2fs', ['-q', '-t', 'ext4', '-L', 'project', '-d', folder, disk, PROJECT_DISK_SIZE], { quiet: true });
  return disk;
}

/** `snapshot=on` sends writes to a file that goes with QEMU: the image stays as it was made. */
function qemuArguments(image: GuestImage, projectDisk: string, consoleLog: string, { ports = {} }: Job): string[] {
  // Without protection keys, whose emulation V8's compiler does not always survive.
  const machine = ['-machine', 'q35', '-cpu', 'max,pku=off', '-accel', 'tcg,thread=multi', '-smp', '2', '-m', '2048'];
  const quiet = ['-nodefaults', '-no-user-config', '-display', 'none', '-monitor', 'none', '-nic', 'none', '-no-reboot'];
  const disks = [
    `file=${image.disk},if=virtio,format=raw,snapshot=on,cache=unsafe`,
    `file=${projectDisk},if=virtio,format=raw,readonly=on`,
  ].flatMap((drive) => ['-drive', drive]);
  const kernelCommandLine =
    'root=/dev/vda rw console=ttyS0 quiet loglevel=3 systemd.show_status=false mitigations=off tsc=unstable';
  const kernel = ['-kernel', image.kernel, '-initrd', image.initialRamDisk, '-append', kernelCommandLine];
  const serial = ['-serial', `file:${consoleLog}`, '-chardev', 'stdio,id=job,signal=off', '-device', 'isa-serial,chardev=job'];
  const portArguments = Object.entries(ports).flatMap(([name, socket]) => [
    ...['-chardev', `socket,id=${name},path=${socket},server=on,wait=off`],
    ...['-device', `virtserialport,chardev=${name},name=${name}`],
  ]);
  return [...machine, ...quiet, ...disks, ...kernel, ...serial, '-device', 'virtio-serial', ...portArguments];
}

async function boot(image: GuestImage, disk: string, consoleLog: string, job: Job): Promise<number> {
  // Emulation takes all the processor that it gets: what else is tested meanwhile goes first.
  const program = ['-n', job.urgent ? '0' : '19', 'qemu-system-x86_64', ...qemuArguments(image, disk, consoleLog, job)];
  const qemu = spawn('nice', program, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  qemu.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  let status: number | undefined;
  const lines = createInterface({ input: qemu.stdout });
  lines.on('line', (line) => {
    const ended = JOB_ENDED.exec(line.trim());
    if (ended === null) job.onLine(line.replace(/\r$/, ''));
    else {
      status = Number(ended[1] ?? 1);
      if (status !== 0) job.onLine(line.trim());
    }
  });
  let silent = false;
  const timer = setTimeout(() => {
    silent = true;
    qemu.kill('SIGKILL');
  }, job.silentMillis);
  lines.on('line', () => timer.refresh());
  await new Promise<void>((resolve, reject) => {
    qemu.once('error', (error) => reject(new Error(`nice(1), which starts the guest, cannot be started: ${error.message}`)));
    qemu.once('close', () => resolve());
  }).finally(() => clearTimeout(timer));
  if (status !== undefined) return status;
  const why = silent ? `said nothing for ${job.silentMillis / 1000} s` : 'ended before its job did';
  throw new Error(`the guest ${why}\n${errors}${tail(consoleLog)}`);
}

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-4000);
  } catch {
    return '';
  }
}
