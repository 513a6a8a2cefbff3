/**
 * The files of layers as a file system of VS Code's: read-only, because overlayfs leaves undefined what happens when a layer is written
 * while it is mounted (Documentation/filesystems/overlayfs.rst, "Changes to underlying filesystems").
 */
import * as vscode from 'vscode';
import {
  type FileType,
  type LayerEntry,
  type LayerPath,
  LayersReadDirectory,
  LayersReadFile,
  LayersStat,
} from '../../helper/protocol/layers.ts';
import { Command } from '../base/commandIds.ts';
import { Disposable } from '../base/disposable.ts';
import { Scheme } from '../base/ids.ts';
import type { HelperConnection } from '../connection/connection.ts';
import { HelperError } from '../connection/helperError.ts';
import type { LayerWatch } from '../model/layerWatch.ts';
import { baseName, parentPath } from '../model/overlayStack.ts';
import { wellFormedName } from '../plain/fileNameText.ts';
import { warn } from '../plain/notify.ts';
import { paragraphs } from '../plain/tooltip.ts';
import { failureText } from '../words/failureMessage.ts';
import { bytesText, entryName } from '../words/layerWords.ts';
import { isEmptyUri, layerPlace } from './layerUri.ts';

/** The most that an editor is given: larger files go to disk, where they are written as they are read. */
export const MOST_SHOWN_BYTES = 32 * 1024 * 1024;
/** The protocol's bound for one answer. */
export const CHUNK_BYTES = 1024 * 1024;

/** A regular file of a layer from its start to its end, a chunk at a time. */
export async function* layerChunks(
  connection: HelperConnection,
  place: LayerPath,
  token?: vscode.CancellationToken,
): AsyncGenerator<Uint8Array> {
  for (let offset = 0; ; ) {
    const answer = await connection.request(LayersReadFile, { ...place, offset, length: CHUNK_BYTES }, token);
    const bytes = Buffer.from(answer.base64, 'base64');
    if (bytes.length === 0) return;
    yield bytes;
    offset += bytes.length;
    if (offset >= answer.sizeBytes) return;
  }
}

export class LayerFiles extends Disposable implements vscode.FileSystemProvider {
  private readonly connection: HelperConnection;
  private readonly layerWatch: LayerWatch;
  private readonly emitter = this.register(new vscode.EventEmitter<vscode.FileChangeEvent[]>());
  readonly onDidChangeFile = this.emitter.event;

  constructor(connection: HelperConnection, layerWatch: LayerWatch) {
    super();
    this.connection = connection;
    this.layerWatch = layerWatch;
    const isReadonly = paragraphs(readOnlyReason());
    this.register(vscode.workspace.registerFileSystemProvider(Scheme.layer, this, { isCaseSensitive: true, isReadonly }));
  }

  watch(uri: vscode.Uri): vscode.Disposable {
    if (isEmptyUri(uri)) return new vscode.Disposable(() => undefined);
    const place = layerPlace(uri);
    const directory: LayerPath = { ...place, path: parentPath(place.path) };
    return this.layerWatch.watch(directory, () => this.emitter.fire([{ type: vscode.FileChangeType.Changed, uri }]));
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    if (isEmptyUri(uri)) return fileStat({ type: 'file', sizeBytes: 0, modifiedMillis: 0 });
    return fileStat(await this.entry(uri));
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    const found: [string, vscode.FileType][] = [];
    let after: string | undefined;
    do {
      const params = { ...layerPlace(uri), ...(after === undefined ? {} : { after }) };
      const page = await this.ask(uri, this.connection.request(LayersReadDirectory, params));
      for (const { name, type } of page.entries) found.push([wellFormedName(name), fileType(type)]);
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    if (isEmptyUri(uri)) return new Uint8Array();
    const entry = await this.entry(uri);
    if (entry.sizeBytes > MOST_SHOWN_BYTES) throw this.tooLarge(uri, entry.sizeBytes);
    const chunks: Uint8Array[] = [];
    let read = 0;
    for await (const chunk of this.chunks(layerPlace(uri))) {
      read += chunk.length;
      // It may grow while it is read.
      if (read > MOST_SHOWN_BYTES) throw this.tooLarge(uri, read);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  chunks(place: LayerPath, token?: vscode.CancellationToken): AsyncGenerator<Uint8Array> {
    return layerChunks(this.connection, place, token);
  }

  private entry(uri: vscode.Uri): Promise<LayerEntry> {
    return this.ask(uri, this.connection.request(LayersStat, layerPlace(uri)));
  }

  private async ask<T>(uri: vscode.Uri, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw fileError(uri, error);
    }
  }

  private tooLarge(uri: vscode.Uri, sizeBytes: number): Error {
    void offerCopy(layerPlace(uri), sizeBytes);
    return vscode.FileSystemError.Unavailable(
      vscode.l10n.t(
        'It is larger than {0} MiB, the most that is opened here. Save a copy of it instead.',
        MOST_SHOWN_BYTES / 2 ** 20,
      ),
    );
  }

  createDirectory(): never {
    throw refusal();
  }
  writeFile(): never {
    throw refusal();
  }
  delete(): never {
    throw refusal();
  }
  rename(): never {
    throw refusal();
  }
}

/** Says that a file is too large to be opened, and offers what can be done instead. */
export async function offerCopy(place: LayerPath, sizeBytes: number): Promise<void> {
  const save = vscode.l10n.t('Save Copy As…');
  const text = vscode.l10n.t('{0} has {1}: too much for an editor.', entryName(baseName(place.path)), bytesText(sizeBytes));
  if ((await warn(text, save)) === save) await vscode.commands.executeCommand(Command.saveLayerCopy, { place });
}

export function readOnlyReason(): string {
  return vscode.l10n.t(
    'Layers are not written: while a layer is mounted, the kernel leaves undefined what a change of it does. Change the file inside the container instead.',
  );
}

function refusal(): Error {
  return vscode.FileSystemError.NoPermissions(readOnlyReason());
}

function fileError(uri: vscode.Uri, error: unknown): unknown {
  if (!(error instanceof HelperError)) return new vscode.FileSystemError(failureText(error));
  if (error.reason === 'notFound') return vscode.FileSystemError.FileNotFound(uri);
  const message = failureText(error);
  return error.reason === 'permission'
    ? vscode.FileSystemError.NoPermissions(message)
    : vscode.FileSystemError.Unavailable(message);
}

function fileStat(entry: Pick<LayerEntry, 'type' | 'sizeBytes' | 'modifiedMillis'>): vscode.FileStat {
  return {
    type: fileType(entry.type),
    // Unknown to the protocol; nothing shows it.
    ctime: 0,
    mtime: entry.modifiedMillis,
    size: entry.sizeBytes,
    permissions: vscode.FilePermission.Readonly,
  };
}

/** Links are not followed here: where they lead is a matter of the container's root, not of the layer. */
function fileType(type: FileType): vscode.FileType {
  if (type === 'directory') return vscode.FileType.Directory;
  if (type === 'symlink') return vscode.FileType.SymbolicLink;
  return type === 'file' ? vscode.FileType.File : vscode.FileType.Unknown;
}
