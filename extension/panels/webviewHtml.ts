import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** What a webview may load: our own script and style sheet, and nothing else from anywhere. */
export function webviewRoot(extensionUri: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extensionUri, 'dist', 'webview');
}

/**
 * The document of a webview: empty, with the script that fills it from messages, and titles it. `name` is that of the script and the style sheet. What the script imports
 * has its nonce (HTML, "descendant script fetch options").
 */
export function webviewHtml(webview: vscode.Webview, extensionUri: vscode.Uri, name: string): string {
  const nonce = randomBytes(16).toString('base64');
  const file = (ending: string) => webview.asWebviewUri(vscode.Uri.joinPath(webviewRoot(extensionUri), `${name}.${ending}`));
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${webview.cspSource}`;
  return `<!DOCTYPE html>
<html lang="${vscode.env.language}">
<head>
  <meta charset="utf-8">
  <title>Isoscope</title>
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <link rel="stylesheet" href="${file('css')}">
</head>
<body>
  <main aria-live="off"></main>
  <script type="module" nonce="${nonce}" src="${file('js')}"></script>
</body>
</html>`;
}
