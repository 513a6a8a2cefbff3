/** A file system that is mounted nowhere, reached by a descriptor: fsopen(2), fsconfig(2), fsmount(2). Linux 5.2. */
import { close } from './files.ts';
import { checked, libcFunction } from './libc.ts';

const fsopen = libcFunction('long syscall(long number, const char *type, unsigned int flags)');
const fsconfig = libcFunction(
  'long syscall(long number, int context, unsigned int command, const char *key, const char *value, int extra)',
);
const fsmount = libcFunction('long syscall(long number, int context, unsigned int flags, unsigned int attributes)');

const SYS_fsopen = 430;
const SYS_fsconfig = 431;
const SYS_fsmount = 432;
const CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;

/** A descriptor (close-on-exec) of its root. It lives as long as that is open, or it is mounted. Throws a `SyscallError`. */
export function makeDetachedMount(type: string, options: [key: string, value: string | true][], attributes: number): number {
  const context = checked('fsopen', Number(fsopen(SYS_fsopen, type, CLOEXEC)), type);
  try {
    for (const [key, value] of options) {
      const [command, text] = value === true ? [FSCONFIG_SET_FLAG, null] : [FSCONFIG_SET_STRING, value];
      checked('fsconfig', Number(fsconfig(SYS_fsconfig, context, command, key, text, 0)), key);
    }
    checked('fsconfig', Number(fsconfig(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, null, null, 0)), type);
    return checked('fsmount', Number(fsmount(SYS_fsmount, context, CLOEXEC, attributes)), type);
  } finally {
    close(context);
  }
}
