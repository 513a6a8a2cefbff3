/** Reads images, on a reader thread: imageReading.ts asks for it. */
import fs from 'node:fs';
import path from 'node:path';
import { Failure, isSystemError } from '../../failure.ts';
import type { JobTable } from '../../reading/answering.ts';
import { said } from '../../saying.ts';
import { openHostFile, openHostFileBelow } from '../hostFiles/hostPath.ts';
import { findImage, listImages } from './image.ts';
import { FindImage, ListImages, OpenImageFile, ReadPart } from './imageReading.ts';

/** A layer's entries are taken one by one, and other requests are answered only between two parts. */
const PART_BYTES = 64 * 1024;

export function answerImages(jobs: JobTable): void {
  jobs.on(ListImages, ({ engine }) => listImages(engine));
  jobs.on(FindImage, (image) => findImage(image));
  jobs.on(OpenImageFile, ({ image, name }, { give }) => give(openImageFile(image, name)));
  jobs.on(ReadPart, ({ descriptor, offset }) => {
    const part = new Uint8Array(PART_BYTES);
    return part.subarray(0, fs.readSync(descriptor, part, 0, part.length, offset));
  });
}

function openImageFile(image: string, name: string | undefined): number {
  const file = name === undefined ? image : path.join(image, name);
  try {
    const flags = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK;
    const real = fs.realpathSync.native(image);
    const descriptor = name === undefined ? openHostFile(real, flags) : openHostFileBelow(real, name, flags);
    try {
      // The file system may be anybody's, and refuse even that.
      if (fs.fstatSync(descriptor).isFile()) return descriptor;
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
    fs.closeSync(descriptor);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const why = error.code === 'EXDEV' ? said('whyLeadsOutOfImage') : error.code;
    throw new Failure(error.code === 'ENOENT' ? 'notFound' : 'permission', said('imageCannotBeRead', file, why), {
      errno: error.code,
      path: file,
    });
  }
  throw new Failure('invalid', said('isNoRegularFile', file), { path: file });
}
