/**
 * Starts a VS Code with the packaged extension in it, and a browser that shows it. In a test:
 *
 *   await using workbench = await openWorkbench();
 *   await workbench.openSidebar('Isoscope');
 *   await workbench.view('Containers').row('web');
 *
 * By hand, from the repository's folder, with steps as words (`node test/e2e/harness/look.ts` lists them):
 *
 *   node test/e2e/harness/look.ts 'sidebar Isoscope' 'rows Containers' 'shot containers'
 *
 * The extension is packaged from the sources as they are, unless ISOSCOPE_VSIX names a VSIX to use.
 */
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { installExtension, startCodeServer } from '../../../scripts/codeServer.mjs';
import { OWN_TARGET, packageTarget } from '../../../scripts/package.mjs';
import { ROOT } from '../../../scripts/prerequisites.mjs';
import { type Server, Workbench } from './workbench.ts';

export interface WorkbenchOptions {
  /** The folder that is opened, or the file of a workspace; the default is an empty folder. */
  folder?: string;
  settings?: Record<string, unknown>;
  /** Settings of the machine that VS Code runs on, which those of scope `machine` must be. */
  machineSettings?: Record<string, unknown>;
  /** Run VS Code, and so the extension host, as this ordinary user. */
  user?: { name: string; uid: number; gid: number; home: string };
  /** Added to the environment of VS Code. */
  environment?: Record<string, string>;
  /** The folder is not trusted until a person says so. */
  restricted?: boolean;
  /** The tests of this window follow from each other: nothing brings it to a known state between them. */
  story?: boolean;
  width?: number;
  height?: number;
}

const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const SETTINGS = {
  // The DOM renderer's rows can be read; the canvas's cannot.
  'terminal.integrated.gpuAcceleration': 'off',
  'terminal.integrated.shellIntegration.enabled': false,
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Dark Modern',
  'workbench.enableExperiments': false,
  'workbench.list.smoothScrolling': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'window.confirmBeforeClose': 'never',
  'security.workspace.trust.enabled': false,
  'git.enabled': false,
  'editor.accessibilitySupport': 'off',
};

const RESTRICTED = { 'security.workspace.trust.enabled': true, 'security.workspace.trust.startupPrompt': 'never' };

export async function openWorkbench(options: WorkbenchOptions = {}): Promise<Workbench> {
  const server = await startServer(options);
  try {
    const browser = await chromium.launch({ executablePath: chromiumPath(), args: CHROMIUM_FLAGS });
    try {
      const viewport = { width: options.width ?? 1400, height: options.height ?? 1000 };
      const context = await browser.newContext({
        viewport,
        permissions: ['clipboard-read', 'clipboard-write'],
        // VS Code then fades nothing in or out: a picture shows what is there, not what is on its way.
        reducedMotion: 'reduce',
      });
      const workbench = new Workbench(await context.newPage(), browser, server, options.story === true);
      await workbench.load();
      return workbench;
    } catch (error) {
      await browser.close();
      throw error;
    }
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function chromiumPath(): string {
  const found = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  if (found === undefined) throw new Error('no chromium; install it (Debian: apt-get install chromium)');
  return found;
}

/** A code-server with the extension, all of its state in a fresh folder that goes with it. */
async function startServer(options: WorkbenchOptions): Promise<Server> {
  const scratch = mkdtempSync(path.join(tmpdir(), 'isoscope-e2e-'));
  const { user } = options;
  try {
    const settingsFile = path.join(scratch, 'user-data/User/settings.json');
    const folder = options.folder ?? path.join(scratch, 'workspace');
    const made = ['workspace', 'extensions', 'runtime'].map((name) => path.join(scratch, name));
    for (const directory of [path.dirname(settingsFile), ...made]) mkdirSync(directory, { recursive: true, mode: 0o700 });
    const restrictions = options.restricted ? RESTRICTED : {};
    writeFileSync(settingsFile, JSON.stringify({ ...SETTINGS, ...restrictions, ...options.settings }, undefined, 2));
    if (options.machineSettings !== undefined) {
      mkdirSync(path.join(scratch, 'user-data/Machine'));
      writeFileSync(path.join(scratch, 'user-data/Machine/settings.json'), JSON.stringify(options.machineSettings));
    }
    const vsix = path.join(scratch, 'isoscope.vsix');
    cpSync(process.env.ISOSCOPE_VSIX ?? (await packageTarget(OWN_TARGET, scratch)), vsix);
    const home = user === undefined ? {} : { HOME: user.home, USER: user.name, LOGNAME: user.name };
    if (user !== undefined) giveTo(scratch, user.uid, user.gid);
    const profile = {
      folder: scratch,
      restricted: options.restricted === true,
      // VS Code leaves its sockets where it ran.
      environment: { ...process.env, ...home, XDG_RUNTIME_DIR: path.join(scratch, 'runtime'), ...options.environment },
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    };
    await installExtension(profile, vsix);
    const running = await startCodeServer(profile, folder);
    return {
      address: running.address,
      settingsFile,
      logs: () => `${readFileSync(running.logFile, 'utf8')}\n${textBelow(path.join(scratch, 'user-data/logs'))}`,
      stop: async () => {
        await running.stop();
        rmSync(scratch, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true });
    throw error;
  }
}

function giveTo(folder: string, uid: number, gid: number): void {
  chownSync(folder, uid, gid);
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) chownSync(path.join(folder, entry), uid, gid);
}

function textBelow(folder: string): string {
  if (!existsSync(folder)) return '';
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'));
  return names.map((name) => `== ${name}\n${readFileSync(path.join(folder, name), 'utf8')}`).join('\n');
}

/** The repository's folder, to open it as a workspace. */
export const REPOSITORY = ROOT;
