/** What is made of the definition of a sandbox's specification, by the files of the repository that it stands in. */
import { sandboxSchema } from './sandboxSchema.mjs';

/** The text of each. `definition` is valibot's schema (helper/sandbox/spec.ts). */
export function sandboxFiles(definition) {
  const schema = sandboxSchema(definition);
  return {
    'media/sandbox.schema.json': `${JSON.stringify(schema, undefined, 2)}\n`,
  };
}
