/** What to do about a part of the host that this helper may not look at. */

/** Who is root already gains nothing by becoming it: then the helper runs in a container, or without the capability. */
export function rootHint(): string {
  if (process.geteuid?.() !== 0) return 'Restart the helper as root.';
  return 'The helper is root without the capabilities for it: run VS Code on the host itself, outside of any container.';
}
