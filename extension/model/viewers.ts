import * as vscode from 'vscode';

/** Who looks at something that is kept current only meanwhile: calls `begin` for the first and `end` after the last. */
export class Viewers {
  private readonly begin: () => void;
  private readonly end: () => void;
  private count = 0;

  constructor(begin: () => void, end: () => void) {
    this.begin = begin;
    this.end = end;
  }

  get any(): boolean {
    return this.count > 0;
  }

  /** One more, until disposed of. */
  add(): vscode.Disposable {
    this.count += 1;
    if (this.count === 1) this.begin();
    let ended = false;
    return new vscode.Disposable(() => {
      if (ended) return;
      ended = true;
      this.count -= 1;
      if (this.count === 0) this.end();
    });
  }
}
