import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { CommandContribution } from '../../base/contributions.ts';
import { IN_ANY_VIEW } from '../../base/when.ts';
import type { HelperConnection } from '../../connection/connection.ts';
import { copyAt } from '../../documents/layerCopies.ts';
import { CHUNK_BYTES, type LayerFiles } from '../../documents/layerFileSystem.ts';
import { safeFileName } from '../../documents/safeFileName.ts';
import type { LayerTarget } from '../../model/commandTarget.ts';
import { baseName } from '../../model/overlayStack.ts';
import { during, say, warn } from '../../plain/notify.ts';
import { bytesText, pathText } from '../../words/layerWords.ts';
import type { LayerPicks } from './layerPicks.ts';

export const saveLayerCopyCommand: CommandContribution = {
  id: 'isoscope.layers.saveCopy',
  title: 'Save Copy of Layer File As…',
  menus: {
    'view/item/context': [{ group: '6_save@1', when: [IN_ANY_VIEW, { row: 'layerEntry file' }] }],
  },
};

/** Writes a copy of a file of a layer to disk, as the user, as it is read: it never lies in memory whole. */
export async function saveLayerCopy(
  connection: HelperConnection,
  files: LayerFiles,
  picks: LayerPicks,
  target?: LayerTarget,
): Promise<void> {
  const place = target?.place ?? (await picks.spot(target))?.place;
  if (place === undefined) return;
  const copy = await copyAt(connection, place);
  if (copy?.entry.type !== 'file') throw new Error(vscode.l10n.t('{0} is no regular file.', pathText(place.path)));
  const chosen = await askWhere(safeFileName(baseName(place.path)), {});
  if (chosen === undefined) return;
  await saveStream(chosen, pathText(baseName(place.path)), (token, report) =>
    reported(files.chunks(place, token), copy.entry.sizeBytes, report),
  );
}

type Report = (message: string) => void;

async function* reported(chunks: AsyncGenerator<Uint8Array>, sizeBytes: number, report: Report): AsyncGenerator<Uint8Array> {
  let written = 0;
  for await (const chunk of chunks) {
    yield chunk;
    written += chunk.length;
    report(vscode.l10n.t('{0} of {1}', bytesText(written), bytesText(sizeBytes)));
  }
}

/** Where on this host; undefined when the person chose no place. */
export async function askWhere(name: string, filters: Record<string, string[]>): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file')?.uri;
  const defaultUri = vscode.Uri.joinPath(folder ?? vscode.Uri.file(process.env.HOME ?? '/tmp'), name);
  const chosen = await vscode.window.showSaveDialog({ defaultUri, filters });
  if (chosen !== undefined && chosen.scheme !== 'file')
    throw new Error(vscode.l10n.t('It can be saved only to a file of the host, not to {0}.', chosen.toString()));
  return chosen;
}

/** Writes what `read` gives, with progress that can be cancelled. Only a whole file takes the name that was chosen. `noted`: what to say of it then. */
export async function saveStream(
  chosen: vscode.Uri,
  name: string,
  read: (token: vscode.CancellationToken, report: Report) => AsyncGenerator<Uint8Array>,
  noted: () => readonly string[] = () => [],
): Promise<void> {
  const unfinished = `${chosen.fsPath}.part`;
  const title = vscode.l10n.t('Saving {0}', name);
  await during({ title }, async (report, token) => {
    try {
      await write(unfinished, read(token, report));
      if (token.isCancellationRequested) throw new vscode.CancellationError();
      await rename(unfinished, chosen.fsPath);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  });
  const saved = vscode.l10n.t('Saved {0}.', chosen.fsPath);
  const notes = noted();
  if (notes.length === 0) void say(saved);
  else void warn([...notes, saved].join(' '));
}

/** A sparse file of many gigabytes stays one: what is all zero becomes a hole. */
async function write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    let position = 0;
    for await (const chunk of chunks) {
      if (!isZero(chunk)) await writeAll(file, chunk, position);
      position += chunk.length;
    }
    await file.truncate(position);
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}

const ZEROS = Buffer.alloc(CHUNK_BYTES);

function isZero(chunk: Uint8Array): boolean {
  return chunk.length <= ZEROS.length && Buffer.compare(chunk, ZEROS.subarray(0, chunk.length)) === 0;
}
