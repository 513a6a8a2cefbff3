import * as vscode from 'vscode';
import type { CommandContribution } from '../base/contributions.ts';
import { Disposable } from '../base/disposable.ts';
import { ContextKey } from '../base/ids.ts';

export const showAllFilesCommand: CommandContribution = {
  id: 'isoscope.layers.allFiles',
  title: 'Show All Files',
  icon: 'diff-modified',
  menus: {
    'view/title': [{ group: 'navigation@1', when: [{ view: 'layers' }, { context: 'layersOnlyChanges' }] }],
  },
};

export const showOnlyChangesCommand: CommandContribution = {
  id: 'isoscope.layers.onlyChanges',
  title: 'Show Only Changes',
  icon: 'diff',
  menus: {
    'view/title': [{ group: 'navigation@1', when: [{ view: 'layers' }, { notContext: 'layersOnlyChanges' }] }],
  },
};

export const sortByNameCommand: CommandContribution = {
  id: 'isoscope.layers.sortByName',
  title: 'Sort Files by Name',
  icon: 'case-sensitive',
  menus: {
    'view/title': [{ group: '0_layers@2', when: [{ view: 'layers' }, { context: 'layersBySize' }] }],
  },
};

export const sortBySizeCommand: CommandContribution = {
  id: 'isoscope.layers.sortBySize',
  title: 'Sort Files by Size',
  icon: 'sort-precedence',
  menus: {
    'view/title': [{ group: '0_layers@2', when: [{ view: 'layers' }, { notContext: 'layersBySize' }] }],
  },
};

/** How the files of layers are listed, wherever they are: chosen in the title of the Layers view, and kept with the workspace. */
export class LayerOptions extends Disposable {
  private readonly memory: vscode.Memento;
  private readonly emitter = this.register(new vscode.EventEmitter<void>());
  readonly onDidChange = this.emitter.event;

  constructor(memory: vscode.Memento) {
    super();
    this.memory = memory;
    this.publish();
  }

  get bySize(): boolean {
    return this.memory.get(ContextKey.layersBySize, false);
  }

  get onlyChanges(): boolean {
    return this.memory.get(ContextKey.layersOnlyChanges, false);
  }

  async sortBySize(bySize: boolean): Promise<void> {
    await this.set(ContextKey.layersBySize, bySize);
  }

  async showOnlyChanges(onlyChanges: boolean): Promise<void> {
    await this.set(ContextKey.layersOnlyChanges, onlyChanges);
  }

  private async set(key: typeof ContextKey.layersBySize | typeof ContextKey.layersOnlyChanges, value: boolean): Promise<void> {
    await this.memory.update(key, value);
    this.publish();
    this.emitter.fire();
  }

  private publish(): void {
    void vscode.commands.executeCommand('setContext', ContextKey.layersBySize, this.bySize);
    void vscode.commands.executeCommand('setContext', ContextKey.layersOnlyChanges, this.onlyChanges);
  }
}
