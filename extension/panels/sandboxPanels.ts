/** The sandbox form: makes a specification without typing, and shows live what it comes to. It is a panel, or an editor of a file. */
import { isDeepStrictEqual } from 'node:util';
import * as vscode from 'vscode';
import { SandboxesExplain, type SandboxParams, type SandboxSpec } from '../../helper/protocol/sandboxes.ts';
import type { FromForm, JsonSchema, ToForm } from '../../webview/sandboxMessages.ts';
import type { CommandContribution, OtherContribution } from '../base/contributions.ts';
import { Disposable } from '../base/disposable.ts';
import { PageType, SANDBOX_FORM_EDITOR } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import { isUnprivileged } from '../connection/privilege.ts';
import { saidText } from '../plain/saidText.ts';
import { createPanel, send } from '../plain/titled.ts';
import { paramsFor, specificationOf, specificationText, writeSpecification } from '../programs/sandboxParams.ts';
import { pickFor } from '../programs/sandboxPicks.ts';
import type { SandboxStarter } from '../programs/sandboxStarter.ts';
import { makeSpecificationFile } from '../programs/specificationFile.ts';
import { failureText, showFailure } from '../words/failureMessage.ts';
import { isRecord, restorePages } from './restore.ts';
import { formTexts } from './sandboxFormTexts.ts';
import { webviewHtml, webviewRoot } from './webviewHtml.ts';

export const newSandboxCommand: CommandContribution = {
  id: 'isoscope.sandbox.new',
  title: 'New Sandbox…',
  icon: 'add',
  menus: {
    'view/title': [{ group: 'navigation@1', when: { view: 'sandboxes' } }],
  },
};

export const sandboxFormEditor: OtherContribution = {
  customEditors: [
    {
      viewType: SANDBOX_FORM_EDITOR,
      displayName: { key: 'editor.sandboxForm', english: 'Sandbox Form' },
      selector: [{ filenamePattern: '*.sandbox.json' }],
      priority: 'option',
    },
  ],
};

/** A specification is edited as it is; the schema is ours. */
const KEPT = new Set(['spec', 'schema', 'value', 'path']);

interface Parts {
  connection: HelperConnection;
  starter: SandboxStarter;
  extensionUri: vscode.Uri;
}

export class SandboxPanels extends Disposable implements vscode.CustomTextEditorProvider {
  private readonly parts: Parts;

  constructor(connection: HelperConnection, starter: SandboxStarter, extensionUri: vscode.Uri) {
    super();
    this.parts = { connection, starter, extensionUri };
    this.register(vscode.window.registerCustomEditorProvider(SANDBOX_FORM_EDITOR, this));
    // Of a file VS Code itself opens the form again.
    this.register(
      restorePages(PageType.sandbox, (panel, { known }) => {
        if (!isRecord(known)) return false;
        this.register(new SandboxForm(this.parts, panel, new NewSpecification(known as SandboxSpec)));
        return true;
      }),
    );
  }

  /** Opens a form that begins with `spec`, or with a small specification that runs. */
  async show(spec?: SandboxSpec): Promise<void> {
    const { connection } = this.parts;
    // A form without a helper says what is the matter with it.
    await connection.start().catch(() => undefined);
    const first: SandboxSpec = {
      root: { type: 'programs', programs: ['bash', 'ls', 'cat', 'ps'] },
      ...(isUnprivileged(connection) ? { namespaces: { user: 'new' } } : {}),
      process: { args: ['bash'] },
    };
    const title = vscode.l10n.t('New Sandbox');
    const panel = createPanel(PageType.sandbox, title);
    this.register(new SandboxForm(this.parts, panel, new NewSpecification(spec ?? first)));
  }

  async resolveCustomTextEditor(document: vscode.TextDocument, panel: vscode.WebviewPanel): Promise<void> {
    await this.parts.connection.start().catch(() => undefined);
    this.register(new SandboxForm(this.parts, panel, new SpecificationFile(document)));
  }
}

/** What a form is of. */
interface Subject extends vscode.Disposable {
  readonly isFile: boolean;
  readonly file?: vscode.Uri;
  /** Fires when it was changed elsewhere. */
  onDidChange: vscode.Event<void>;
  /** @throws Error when it is none. */
  read(): SandboxSpec;
  write(spec: SandboxSpec): Promise<void>;
  params(spec: SandboxSpec): SandboxParams;
  text(spec: SandboxSpec): string;
  openText(): Promise<void>;
}

/** Is nowhere but in the form. */
class NewSpecification extends Disposable implements Subject {
  readonly isFile = false;
  readonly onDidChange: vscode.Event<void> = () => new vscode.Disposable(() => undefined);
  private spec: SandboxSpec;

  constructor(spec: SandboxSpec) {
    super();
    this.spec = spec;
  }

  read(): SandboxSpec {
    return this.spec;
  }

  async write(spec: SandboxSpec): Promise<void> {
    this.spec = spec;
  }

  params(spec: SandboxSpec): SandboxParams {
    return { spec };
  }

  text(spec: SandboxSpec): string {
    return specificationText(spec);
  }

  openText(): Promise<void> {
    return makeSpecificationFile(this.spec, this.spec.name);
  }
}

/** Is changed as any document is: it can be undone, and is saved when the person saves it. */
class SpecificationFile extends Disposable implements Subject {
  readonly isFile = true;
  readonly file: vscode.Uri;
  readonly onDidChange: vscode.Event<void>;
  private readonly document: vscode.TextDocument;
  private readonly changed = this.register(new vscode.EventEmitter<void>());
  /** What the form has. */
  private known: SandboxSpec | undefined;
  private writing = Promise.resolve();
  private unwritten = 0;

  constructor(document: vscode.TextDocument) {
    super();
    this.document = document;
    this.file = document.uri;
    this.onDidChange = this.changed.event;
    this.register(vscode.workspace.onDidChangeTextDocument((event) => event.document === document && this.onChange()));
    this.register(vscode.workspace.onDidGrantWorkspaceTrust(() => this.changed.fire()));
  }

  read(): SandboxSpec {
    if (!vscode.workspace.isTrusted) {
      throw new Error(vscode.l10n.t('A sandbox file has a form only in a trusted workspace: what it says is executed.'));
    }
    this.known = undefined;
    this.known = specificationOf(this.document);
    return this.known;
  }

  /** One after the other: each looks at what the one before it made of the text. */
  write(spec: SandboxSpec): Promise<void> {
    this.known = spec;
    this.unwritten += 1;
    this.writing = this.writing
      // That one could not be written its own caller was told.
      .catch(() => undefined)
      .then(() => this.replace(spec))
      .finally(() => {
        this.unwritten -= 1;
      });
    return this.writing;
  }

  private async replace(spec: SandboxSpec): Promise<void> {
    if (isDeepStrictEqual(specificationOf(this.document), spec)) return;
    await writeSpecification(this.document, spec);
  }

  params(spec: SandboxSpec): SandboxParams {
    return paramsFor(spec, this.document.uri);
  }

  text(spec: SandboxSpec): string {
    return specificationText(spec, this.document.getText());
  }

  async openText(): Promise<void> {
    await vscode.commands.executeCommand('vscode.openWith', this.document.uri, 'default');
  }

  private onChange(): void {
    if (this.unwritten > 0) return;
    try {
      if (isDeepStrictEqual(specificationOf(this.document), this.known)) return;
    } catch {
      // The form says so.
    }
    this.changed.fire();
  }
}

class SandboxForm extends Disposable {
  private readonly parts: Parts;
  private readonly panel: vscode.WebviewPanel;
  private readonly subject: Subject;
  private latest: vscode.CancellationTokenSource | undefined;

  constructor(parts: Parts, panel: vscode.WebviewPanel, subject: Subject) {
    super();
    this.parts = parts;
    this.panel = panel;
    this.subject = this.register(subject);
    panel.webview.options = { enableScripts: true, localResourceRoots: [webviewRoot(parts.extensionUri)] };
    this.register(panel);
    this.register(panel.webview.onDidReceiveMessage((message: FromForm) => void this.onMessage(message)));
    this.register(subject.onDidChange(() => void this.begin()));
    this.register(new vscode.Disposable(() => this.latest?.cancel()));
    panel.onDidDispose(() => this.dispose());
    panel.webview.html = webviewHtml(panel.webview, parts.extensionUri, 'sandbox');
  }

  private async onMessage(message: FromForm): Promise<void> {
    try {
      await this.answer(message);
    } catch (error) {
      await showFailure(error);
    }
  }

  private async answer(message: FromForm): Promise<void> {
    switch (message.type) {
      case 'ready':
        return this.begin();
      case 'changed':
        await this.subject.write(message.spec);
        return this.explain(message.spec);
      case 'run':
        await this.subject.write(message.spec);
        return this.parts.starter.start({ params: this.subject.params(message.spec), file: this.subject.file });
      case 'save':
        return makeSpecificationFile(message.spec, message.spec.name);
      case 'openText':
        return this.subject.openText();
      case 'pick': {
        const value = await pickFor(this.parts.connection, message.pick, message.now);
        if (value !== undefined) this.send({ type: 'picked', path: message.path, value });
      }
    }
  }

  private async begin(): Promise<void> {
    const texts = formTexts();
    try {
      const spec = this.subject.read();
      const privileged = !isUnprivileged(this.parts.connection);
      const schema = await this.schema();
      this.send({ type: 'form', texts, schema, spec, ofFile: this.subject.isFile, privileged });
    } catch (error) {
      this.send({ type: 'unreadable', texts, message: failureText(error) });
    }
  }

  /** The one that editors check files by. */
  private async schema(): Promise<JsonSchema> {
    const file = vscode.Uri.joinPath(this.parts.extensionUri, 'media', 'sandbox.schema.json');
    return JSON.parse(new TextDecoder().decode(await vscode.workspace.fs.readFile(file))) as JsonSchema;
  }

  /** The latest question wins. */
  private async explain(spec: SandboxSpec): Promise<void> {
    this.latest?.cancel();
    const mine = new vscode.CancellationTokenSource();
    this.latest = mine;
    const json = this.subject.text(spec).trimEnd();
    try {
      const explained = await this.parts.connection.request(SandboxesExplain, this.subject.params(spec), mine.token);
      if (this.latest !== mine) return;
      this.send({
        type: 'explained',
        json,
        notes: explained.notes.map(saidText),
        steps: explained.steps.map(({ call, purpose }) => ({ call, purpose: saidText(purpose) })),
        equivalents: explained.equivalents.map(({ command }) => command),
      });
    } catch (error) {
      if (error instanceof HelperError && error.reason === 'cancelled') return;
      if (this.latest === mine) this.send({ type: 'refused', json, message: failureText(error), ...fieldOf(error) });
    } finally {
      mine.dispose();
    }
  }

  private send(message: ToForm): void {
    if (!this.disposed) send(this.panel, message, KEPT);
  }
}

/** The field of the specification that is at fault. */
function fieldOf(error: unknown): { field?: (string | number)[] } {
  const [of, ...field] = (error instanceof HelperError ? error.data?.field : undefined) ?? [];
  return of === 'spec' && field.length > 0 ? { field } : {};
}
