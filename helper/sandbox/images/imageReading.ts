/** What a reader thread is asked about images: files of an image that is one or several files, and an engine's storage. */
import path from 'node:path';
import { close, duplicate } from '../../kernel/files.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { SandboxImage, StoredImage } from '../../protocol/sandboxes.ts';
import { job } from '../../reading/job.ts';
import { readers } from '../../reading/readers.ts';
import { type ImageFiles, storageOf } from './imageDescription.ts';

type Engine = 'docker' | 'podman';
type EngineImage = Extract<SandboxImage, { format: Engine }>;

export const OpenImageFile = job<{ image: string; name?: string }, void>('openImageFile');
export const ReadPart = job<{ descriptor: number; offset: number }, Uint8Array>('readPart');
export const ListImages = job<{ engine: Engine }, StoredImage[] | Unknown>('listImages');
export const FindImage = job<EngineImage, ImageFiles>('findImage');

/** Those in its storage: `listImages`. Rejects with a `Failure`, `busy`, when the engine's storage does not answer, as all of these do. */
export function imagesOf(engine: Engine): Promise<StoredImage[] | Unknown> {
  return readers.ask(ListImages, () => ({ params: { engine }, paths: [storageOf(engine)] }));
}

/** One of these: `findImage`. */
export function imageFound(image: EngineImage): Promise<ImageFiles> {
  return readers.ask(FindImage, () => ({ params: image, paths: [storageOf(image.format)] }));
}

/** The bytes of the regular file that an image is, or of one in the directory that it is. It is opened when the first are asked for. */
export async function* contentOf(image: string, name?: string): AsyncGenerator<Buffer, void> {
  const params = name === undefined ? { image } : { image, name };
  let opened = -1;
  const take = ([descriptor = -1]: readonly number[]) => {
    opened = descriptor;
  };
  await readers.ask(OpenImageFile, () => ({ params, paths: [image] }), { take });
  const file = name === undefined ? image : path.join(image, name);
  try {
    for (let offset = 0; ; ) {
      const part = await readers.ask(ReadPart, () => {
        const descriptor = duplicate(opened);
        return { params: { descriptor, offset }, descriptors: [descriptor], path: file, paths: [image] };
      });
      if (part.length === 0) return;
      yield Buffer.from(part.buffer, part.byteOffset, part.byteLength);
      offset += part.length;
    }
  } finally {
    close(opened);
  }
}
