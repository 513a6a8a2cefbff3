/** The pages of one kind: one for each thing, brought to the front when it is asked for again, and back after a reload of the window. */
import type * as vscode from 'vscode';
import { Disposable } from '../base/disposable.ts';
import type { PageTypeId } from '../base/ids.ts';
import type { Host } from '../model/liveHost.ts';
import { PagePanel, type PageSubject } from './pagePanel.ts';
import { restorePages } from './restore.ts';

/** `T` is what a page is on; `R` what the helper answers about it. */
export abstract class PagePanels<T, R> extends Disposable {
  protected readonly host: Host;
  private readonly extensionUri: vscode.Uri;
  private readonly panels = new Map<string, PagePanel<R>>();

  constructor(host: Host, extensionUri: vscode.Uri, type: PageTypeId) {
    super();
    this.host = host;
    this.extensionUri = extensionUri;
    this.register(
      restorePages(type, (panel, state) => {
        const of = this.stored(state);
        if (of !== undefined) this.open(of, panel);
        return of !== undefined;
      }),
    );
  }

  /** Opens the page on something, or brings it to the front. */
  show(of: T): void {
    const open = this.panels.get(this.keyOf(of));
    if (open === undefined) this.open(of);
    else open.bringToFront();
  }

  private open(of: T, restored?: vscode.WebviewPanel): void {
    const key = this.keyOf(of);
    const forget = () => void this.panels.delete(key);
    const panel = new PagePanel(this.host, this.extensionUri, this.subject(of), forget, restored);
    this.panels.set(key, this.register(panel));
  }

  protected abstract keyOf(of: T): string;
  /** What a page was on, of what it stored; undefined when that tells nothing. */
  protected abstract stored(state: Record<string, unknown>): T | undefined;
  protected abstract subject(of: T): PageSubject<R>;
}
