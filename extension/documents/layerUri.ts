/**
 * URIs of files in layers: `isoscope-layer:/<where>/etc/hosts?<place>`. The first segment is for people, who see it in tabs and tooltips; the
 * query says which layer of which overlay; the rest of the path is the file's.
 */
import * as vscode from 'vscode';
import type { LayerPath, LayerRef } from '../../helper/protocol/layers.ts';
import { Scheme } from '../base/ids.ts';
import { overlayRef } from '../model/overlayStack.ts';
import { wellFormedName, wireName } from '../plain/fileNameText.ts';
import { safeFileName } from './safeFileName.ts';

/** @param where says for people which layer it is: "web, Image layer 3" */
export function layerUri({ overlay, layer, path }: LayerPath, where: string): vscode.Uri {
  const place: LayerRef = { overlay: overlayRef(overlay), layer };
  const segments = path.split('/').map(wellFormedName).join('/');
  return vscode.Uri.from({ scheme: Scheme.layer, path: `/${safeFileName(where)}${segments}`, query: JSON.stringify(place) });
}

/** An empty document in place of a file that a layer does not have, so that a comparison shows all of the other side. */
export function emptyUri(path: string, where: string): vscode.Uri {
  const segments = path.split('/').map(wellFormedName).join('/');
  return vscode.Uri.from({ scheme: Scheme.layer, path: `/${safeFileName(where)}${segments}`, query: 'empty' });
}

export function isEmptyUri(uri: vscode.Uri): boolean {
  return uri.query === 'empty';
}

/** @throws FileSystemError when it is none of ours: anybody can write a URI. The helper checks what it says. */
export function layerPlace(uri: vscode.Uri): LayerPath {
  const { overlay, layer } = layerRef(uri);
  const rest = uri.path.split('/').slice(2).map(wireName).join('/');
  return { overlay, layer, path: `/${rest}` };
}

function layerRef(uri: vscode.Uri): LayerRef {
  try {
    const ref = JSON.parse(uri.query) as LayerRef | null;
    if (typeof ref === 'object' && ref !== null) return ref;
  } catch {
    // Not even JSON.
  }
  throw vscode.FileSystemError.FileNotFound(uri);
}
