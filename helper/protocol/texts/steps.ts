/** What the steps of syscall programs are for: each completes "could not …". */
export const STEPS_TEXTS = {
  layersWereKilled: 'What was to mount the layers of the image was killed.',
  overlayCannotBeTakenOver: "The overlay of the image's layers cannot be taken over: {0}.",
  overlayHasTooManyLayers: 'An overlay has {0} layers, more than this kernel can be told in one option.',
  runNewerLinux: 'Run Linux 6.8 or later; or make one layer of them (docker export), and take that as a tar.',
  tooManyOverlayDirectories: 'The overlay on {0} has {1} directories, more than {2}.',
} as const;
