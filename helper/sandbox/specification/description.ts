/**
 * What is said to people of a sandbox's specification, beside what the helper checks. The helper's program says it to nobody: there esbuild.mjs leaves it
 * out.
 */

/** Of a definition, for what is made of it. */
export interface Description {
  title?: string;
  description?: string;
  pattern?: RegExp;
  words?: string;
}

/** Of a field: what it is for, and what it is called in the form, where that is not its name in the file. */
export function described(description: string, title?: string): Description | undefined {
  return title === undefined ? { description } : { title, description };
}

/** For editors, a pattern that comes near what the helper checks by other means; and what they say where it is not met. */
export function nearPattern(pattern: RegExp, words: string): Description | undefined {
  return { pattern, words };
}
