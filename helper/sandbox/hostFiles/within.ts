/** Which paths are below which, by name. */

/** Of absolute paths without "." and "..". */
export function isWithin(file: string, folder: string): boolean {
  if (!file.startsWith(folder)) return false;
  return file.length === folder.length || folder.endsWith('/') || file[folder.length] === '/';
}
