/**
 * The guests' disks: a stock Debian with systemd and a kernel of its own each, made once by mmdebstrap and kept in .cache/vm under
 * a name that changes with the recipe. Nothing is installed on this machine.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run, say } from '../../scripts/run.mjs';

/** Debian 12 has Linux 6.1, Debian 11 has 5.10. */
const RELEASES = ['bookworm', 'bullseye'] as const;
export type Release = (typeof RELEASES)[number];

/** The cloud kernel: virtio drivers and every namespace, without the modules of real hardware. Mirrors have lost what names the last one of the old release. */
const KERNELS: Record<Release, string> = {
  bookworm: 'linux-image-cloud-amd64',
  bullseye: 'linux-image-5.10.0-46-cloud-amd64',
};
const PACKAGES = [
  'initramfs-tools',
  'zstd',
  'systemd',
  'systemd-sysv',
  'systemd-container',
  'dbus',
  'libpam-systemd',
  'dbus-user-session',
  'podman',
  'crun',
  'uidmap',
  'slirp4netns',
  'fuse-overlayfs',
  'bubblewrap',
  'busybox-static',
  'iproute2',
  'procps',
  'util-linux',
  'sudo',
];
const DISK_SIZE = '3G';
const BUILD_MILLIS = 15 * 60_000;

/** What is done in the new root before it becomes a disk; part of the recipe, so of the disk's name. */
const CUSTOMISE = [
  'useradd --root "$1" --create-home --uid 1000 --shell /bin/bash person',
  'grep -q person "$1/etc/subuid" || echo person:100000:65536 >> "$1/etc/subuid"',
  'grep -q person "$1/etc/subgid" || echo person:100000:65536 >> "$1/etc/subgid"',
  'mkdir -p "$1/var/lib/systemd/linger" && touch "$1/var/lib/systemd/linger/person"',
  'mkdir -p "$1/project" && echo guest > "$1/etc/hostname"',
  'ln -sf /dev/null "$1/etc/systemd/system/systemd-networkd-wait-online.service"',
  'cp "$2" "$1/etc/systemd/system/job.service"',
  'mkdir -p "$1/etc/systemd/system/multi-user.target.wants"',
  'ln -s ../job.service "$1/etc/systemd/system/multi-user.target.wants/job.service"',
];

/** Runs the job from the project's disk once the system is up, and powers off whatever came of it. */
const JOB_SERVICE = `[Unit]
Description=The job of this boot
After=multi-user.target systemd-user-sessions.service
[Service]
Type=oneshot
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS1
ExecStartPre=/bin/mount -o ro LABEL=project /project
ExecStart=/bin/sh /project/job.sh
ExecStopPost=/bin/sh -c 'echo "guest: job ended: $SERVICE_RESULT $EXIT_STATUS" > /dev/ttyS1; systemctl poweroff --force --force'
Delegate=yes
[Install]
WantedBy=multi-user.target
`;

export interface GuestImage {
  /** The ext4 disk; a run must not write to it but through a snapshot. */
  disk: string;
  kernel: string;
  initialRamDisk: string;
}

/** The image, made first if it is not in `cache` yet: about two minutes, most of it fetching packages. */
export async function guestImage(cache: string, release: Release = 'bookworm'): Promise<GuestImage> {
  const folder = path.join(cache, folderName(release));
  if (!existsSync(folder)) await build(cache, folder, release);
  return imageIn(folder);
}

function folderName(release: Release): string {
  const recipe = JSON.stringify([release, [KERNELS[release], ...PACKAGES], DISK_SIZE, CUSTOMISE, JOB_SERVICE]);
  return createHash('sha256').update(recipe).digest('hex').slice(0, 16);
}

function imageIn(folder: string): GuestImage {
  return {
    disk: path.join(folder, 'disk.ext4'),
    kernel: path.join(folder, 'vmlinuz'),
    initialRamDisk: path.join(folder, 'initrd'),
  };
}

async function build(cache: string, folder: string, release: Release): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const current = RELEASES.map(folderName);
  for (const old of readdirSync(cache)) {
    if (!current.includes(old)) rmSync(path.join(cache, old), { recursive: true, force: true });
  }
  say(`making the guest's disk: Debian ${release} with systemd and podman`);
  const work = mkdtempSync(path.join(cache, 'making-'));
  try {
    const root = path.join(work, 'root');
    const service = path.join(work, 'job.service');
    const hook = path.join(work, 'customise.sh');
    writeFileSync(service, JOB_SERVICE);
    writeFileSync(hook, `set -eu\nset -- "$1" ${shellWord(service)}\n${CUSTOMISE.join('\n')}\n`);
    await run(
      'mmdebstrap',
      [
        '--variant=minbase',
        `--include=${[...PACKAGES, KERNELS[release]].join(',')}`,
        `--customize-hook=sh ${shellWord(hook)} "$1"`,
        release,
        root,
      ],
      { quiet: true, timeoutMillis: BUILD_MILLIS, hint: "The guest needs Debian's package mirror; the next run tries again." },
    );
    const image = imageIn(work);
    cpSync(newest(root, 'vmlinuz-'), image.kernel);
    cpSync(newest(root, 'initrd.img-'), image.initialRamDisk);
    await run('mke2fs', ['-q', '-t', 'ext4', '-L', 'root', '-d', root, image.disk, DISK_SIZE], { quiet: true });
    rmSync(root, { recursive: true });
    renameSync(work, folder);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    throw error;
  }
}

function newest(root: string, prefix: string): string {
  const names = readdirSync(path.join(root, 'boot')).filter((name) => name.startsWith(prefix));
  const [name] = names.sort().reverse();
  if (name === undefined) throw new Error(`the new root has no /boot/${prefix}*`);
  return path.join(root, 'boot', name);
}

/** mmdebstrap hands hooks to a shell. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
