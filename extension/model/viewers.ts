import * as vscode from 'vscode';

/** Who looks at something that is kept current only meanwhile: what `begin` gives for the first is disposed of after the last. */
export class Viewers implements vscode.Disposable {
  private readonly begin: () => vscode.Disposable;
  private begun: vscode.Disposable | undefined;
  private count = 0;

  constructor(begin: () => vscode.Disposable) {
    this.begin = begin;
  }

  get any(): boolean {
    return this.count > 0;
  }

  /** One more, until disposed of. */
  add(): vscode.Disposable {
    this.count += 1;
    if (this.count === 1) this.begun = this.begin();
    let ended = false;
    return new vscode.Disposable(() => {
      if (ended) return;
      ended = true;
      this.count -= 1;
      if (this.count === 0) this.dispose();
    });
  }

  /** Ends what was begun, whoever still looks. */
  dispose(): void {
    this.begun?.dispose();
    this.begun = undefined;
  }
}
