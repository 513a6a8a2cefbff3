/** The sandbox form: makes a specification without typing, and shows live what it comes to. */
import * as vscode from 'vscode';
import { SandboxesExplain, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import type { FormTexts, FromForm, ToForm } from '../../webview/sandboxMessages.ts';
import { newSandboxFile } from '../commands/newSandboxFile.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import { isUnprivileged } from '../connection/privilege.ts';
import { Disposable } from '../disposable.ts';
import { failureText } from '../failureMessage.ts';
import { specificationText } from '../programs/sandboxSpec.ts';
import type { SandboxStarter } from '../programs/sandboxStarter.ts';
import { webviewHtml, webviewRoot } from './webviewHtml.ts';

export class SandboxPanels extends Disposable {
  private readonly connection: HelperConnection;
  private readonly starter: SandboxStarter;
  private readonly extensionUri: vscode.Uri;

  constructor(connection: HelperConnection, starter: SandboxStarter, extensionUri: vscode.Uri) {
    super();
    this.connection = connection;
    this.starter = starter;
    this.extensionUri = extensionUri;
  }

  /** Opens a form that begins with a small specification that runs. */
  async show(): Promise<void> {
    // A form without a helper says what is the matter with it.
    await this.connection.start().catch(() => undefined);
    const spec: SandboxSpec = {
      root: { type: 'programs', programs: ['bash', 'ls', 'cat', 'ps'] },
      ...(isUnprivileged(this.connection) ? { namespaces: { user: 'new' } } : {}),
      process: { args: ['bash'] },
    };
    this.register(new SandboxPanel(this.connection, this.starter, this.extensionUri, spec));
  }
}

class SandboxPanel extends Disposable {
  private readonly connection: HelperConnection;
  private readonly starter: SandboxStarter;
  private readonly panel: vscode.WebviewPanel;
  private readonly spec: SandboxSpec;
  private latest: vscode.CancellationTokenSource | undefined;

  constructor(connection: HelperConnection, starter: SandboxStarter, extensionUri: vscode.Uri, spec: SandboxSpec) {
    super();
    this.connection = connection;
    this.starter = starter;
    this.spec = spec;
    this.panel = vscode.window.createWebviewPanel('isoscope.sandbox', vscode.l10n.t('New Sandbox'), vscode.ViewColumn.Active, {
      enableScripts: true,
      localResourceRoots: [webviewRoot(extensionUri)],
    });
    this.register(this.panel);
    this.register(this.panel.webview.onDidReceiveMessage((message: FromForm) => void this.onMessage(message)));
    this.register(new vscode.Disposable(() => this.latest?.cancel()));
    this.panel.onDidDispose(() => this.dispose());
    this.panel.webview.html = webviewHtml(this.panel.webview, extensionUri, 'sandbox');
  }

  private async onMessage(message: FromForm): Promise<void> {
    switch (message.type) {
      case 'ready':
        return this.send({ type: 'form', texts: formTexts(), spec: this.spec });
      case 'changed':
        return this.explain(message.spec);
      case 'run':
        return this.starter.start({ spec: message.spec });
      case 'save':
        return newSandboxFile(message.spec, message.spec.name);
    }
  }

  /** The latest question wins. */
  private async explain(spec: SandboxSpec): Promise<void> {
    this.latest?.cancel();
    const mine = new vscode.CancellationTokenSource();
    this.latest = mine;
    const json = specificationText(spec).trimEnd();
    try {
      const explained = await this.connection.request(SandboxesExplain, { spec }, mine.token);
      if (this.latest !== mine) return;
      this.send({
        type: 'explained',
        json,
        notes: explained.notes,
        steps: explained.steps.map(({ call, purpose }) => ({ call, purpose })),
        equivalents: explained.equivalents.map(({ command }) => command),
      });
    } catch (error) {
      if (error instanceof HelperError && error.reason === 'cancelled') return;
      if (this.latest === mine) this.send({ type: 'refused', json, message: failureText(error) });
    } finally {
      mine.dispose();
    }
  }

  private send(message: ToForm): void {
    if (!this.disposed) void this.panel.webview.postMessage(message);
  }
}

function formTexts(): FormTexts {
  return {
    title: vscode.l10n.t('New sandbox'),
    what: vscode.l10n.t('What runs'),
    name: vscode.l10n.t('Name'),
    command: vscode.l10n.t('Command'),
    'command.hint': vscode.l10n.t('Empty for a shell. No shell reads it; quotes keep words together.'),
    directory: vscode.l10n.t('Directory'),
    root: vscode.l10n.t('Root'),
    'root.host': vscode.l10n.t("The host's files"),
    'root.programs': vscode.l10n.t('Only some programs'),
    'root.tmpfs': vscode.l10n.t('Empty, in memory'),
    'root.directory': vscode.l10n.t('A directory'),
    'root.docker': vscode.l10n.t('Image of Docker'),
    'root.podman': vscode.l10n.t('Image of Podman'),
    'root.image': vscode.l10n.t('Tar of a root file system'),
    'root.needsMounts': vscode.l10n.t("Without a mount namespace of its own it has the host's files."),
    access: vscode.l10n.t('Changes'),
    'access.readOnly': vscode.l10n.t('None: read-only'),
    'access.overlay': vscode.l10n.t('Thrown away at the end'),
    'access.readWrite': vscode.l10n.t('Stay'),
    path: vscode.l10n.t('Which'),
    size: vscode.l10n.t('Size'),
    programs: vscode.l10n.t('Programs'),
    'programs.hint': vscode.l10n.t('With the loader and libraries that they need, and nothing else.'),
    changeRoot: vscode.l10n.t('Entered by'),
    'changeRoot.pivot_root': 'pivot_root',
    'changeRoot.chroot': 'chroot',
    oldRoot: vscode.l10n.t('Old root at'),
    'oldRoot.hint': vscode.l10n.t('Empty: nothing of it stays in reach.'),
    'chroot.hint': vscode.l10n.t('A process with CAP_SYS_CHROOT climbs out of a chroot.'),
    namespaces: vscode.l10n.t('Own namespaces'),
    'kind.mnt': vscode.l10n.t('Mounts'),
    'kind.pid': vscode.l10n.t('Process ids'),
    'kind.net': vscode.l10n.t('Network'),
    'kind.ipc': 'IPC',
    'kind.uts': vscode.l10n.t('Host name'),
    'kind.user': vscode.l10n.t('Users'),
    'kind.cgroup': vscode.l10n.t('Cgroups'),
    'kind.time': vscode.l10n.t('Clocks'),
    hostname: vscode.l10n.t('Host name'),
    network: vscode.l10n.t('Network'),
    'network.none': vscode.l10n.t('None'),
    'network.loopback': vscode.l10n.t('Loopback only'),
    'network.veth': vscode.l10n.t('A link to the host'),
    nat: vscode.l10n.t('Reach the outside through the host (NAT)'),
    limits: vscode.l10n.t('Limits'),
    memory: vscode.l10n.t('Memory'),
    cpus: vscode.l10n.t('CPUs'),
    'cpus.hint': vscode.l10n.t('0.5 is half of one CPU.'),
    processes: vscode.l10n.t('Processes'),
    timeout: vscode.l10n.t('Seconds'),
    security: vscode.l10n.t('Security'),
    uid: vscode.l10n.t('User id'),
    capabilities: vscode.l10n.t('Capabilities'),
    'capabilities.hint': vscode.l10n.t('Empty: none at all.'),
    seccomp: 'seccomp',
    'seccomp.default': vscode.l10n.t('The default filter'),
    'seccomp.unconfined': vscode.l10n.t('No filter'),
    noNewPrivileges: vscode.l10n.t('No new privileges through set-uid programs'),
    process: vscode.l10n.t('Process'),
    environment: vscode.l10n.t('Environment'),
    terminal: vscode.l10n.t('A terminal of its own'),
    init: vscode.l10n.t('An init that reaps what is left over'),
    persistent: vscode.l10n.t('Survives VS Code'),
    mistakes: vscode.l10n.t('Correct what is marked; then what it comes to is shown here.'),
    'mistake.name': vscode.l10n.t('Letters, digits, "_", "." and "-", beginning with a letter or digit; at most 63.'),
    'mistake.directory': vscode.l10n.t('Write it from the root on: /srv/data.'),
    'mistake.path': vscode.l10n.t('Write where it is: a path from the root on, or the name of an image.'),
    'mistake.size': vscode.l10n.t('Write it as 64M or 1G.'),
    'mistake.programs': vscode.l10n.t('Name at least one program.'),
    'mistake.oldRoot': vscode.l10n.t('Write it from the new root on: /old-rootfs.'),
    'mistake.hostname': vscode.l10n.t('Letters, digits, "." and "-"; at most 64.'),
    'mistake.memory': vscode.l10n.t('Write it as 64M or 1G.'),
    'mistake.cpus': vscode.l10n.t('Write a number above 0, such as 0.5 or 2.'),
    'mistake.processes': vscode.l10n.t('Write a whole number above 0.'),
    'mistake.timeout': vscode.l10n.t('Write a number of seconds above 0.'),
    'mistake.uid': vscode.l10n.t('Write the number of a user: 0 is root, 1000 often the first one.'),
    'mistake.environment': vscode.l10n.t('Write NAME=value, with blanks between them; quotes keep words together.'),
    run: vscode.l10n.t('Run'),
    save: vscode.l10n.t('Save as File…'),
    specification: vscode.l10n.t('Specification'),
    syscalls: vscode.l10n.t('System calls'),
    equivalent: vscode.l10n.t('Nearest command line'),
  };
}
