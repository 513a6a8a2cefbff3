import type * as vscode from 'vscode';

/** Something that holds disposables and ends them with itself, the latest first. One of its own kind that ends before is held no longer. */
export abstract class Disposable implements vscode.Disposable {
  private readonly held = new Set<vscode.Disposable>();
  private holder: Disposable | undefined;
  private ended = false;

  protected get disposed(): boolean {
    return this.ended;
  }

  /** Holds `disposable` until this one is disposed of. When that has already happened it is disposed of at once. */
  protected register<T extends vscode.Disposable>(disposable: T): T {
    if (this.ended) disposable.dispose();
    else this.held.add(disposable);
    if (disposable instanceof Disposable) disposable.holder = this;
    return disposable;
  }

  dispose(): void {
    this.ended = true;
    const held = [...this.held];
    this.held.clear();
    for (const disposable of held.reverse()) disposable.dispose();
    this.holder?.held.delete(this);
    this.holder = undefined;
  }
}
