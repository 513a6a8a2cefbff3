import type * as vscode from 'vscode';

/** Something that holds disposables and ends them with itself, the latest first. */
export abstract class Disposable implements vscode.Disposable {
  private held: vscode.Disposable[] = [];
  private ended = false;

  protected get disposed(): boolean {
    return this.ended;
  }

  /** Holds `disposable` until this one is disposed of. When that has already happened it is disposed of at once. */
  protected register<T extends vscode.Disposable>(disposable: T): T {
    if (this.ended) disposable.dispose();
    else this.held.push(disposable);
    return disposable;
  }

  dispose(): void {
    this.ended = true;
    const held = this.held;
    this.held = [];
    for (const disposable of held.reverse()) disposable.dispose();
  }
}
