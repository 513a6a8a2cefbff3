/** What is made of the definition of a sandbox's specification, by the files of the repository that it stands in. */
import { sandboxReference } from './sandboxReference.mjs';
import { sandboxSchema } from './sandboxSchema.mjs';
import { sandboxTypes } from './sandboxTypes.mjs';

/** The text of each. `definitions` are helper/sandbox/specification/spec.ts's. */
export function sandboxFiles(definitions) {
  const schema = sandboxSchema(definitions.SandboxSpec);
  return {
    'media/sandbox.schema.json': `${JSON.stringify(schema, undefined, 2)}\n`,
    'helper/protocol/sandboxSpec.ts': sandboxTypes(definitions),
    'helper/sandbox/specification/SPECIFICATION.md': sandboxReference(definitions),
  };
}
