/* The launcher as it is, but over a kernel that is played (fuzz.c). Apart from that, since the headers of the kernel and of the C library exclude each other. */
#define PLAYED_KERNEL
#include "../../helper/launcher/launcher.c"

/* In the order of fuzz.c. */
const long CALLS[] = {__NR_read,  __NR_exit_group, __NR_clone, __NR_clone3, __NR_wait4,    __NR_rt_sigtimedwait, __NR_recvmsg,
                      __NR_pipe2, __NR_sendto,     __NR_write, __NR_execve, __NR_sendfile, __NR_openat2};
const unsigned BYTES_OF_HEADER = sizeof(struct header), BYTES_OF_STEP = sizeof(struct step);

/* As a new process would find it: what the last program left is gone. */
void run_launcher(char *arguments) {
  for (uint64_t i = 0; i < sizeof data && i < (uint64_t)header.data + 16; i++) data[i] = 0;
  header = (struct header){0};
  is_forked = 0;
  parent_end = -1;
  last_step = 0;
  title = arguments;
  launch();
}

/* What a request for a launcher does before that: `arguments` has `length` bytes, of which the last is 0. */
void run_request(char *arguments, long length) {
  char *list[2] = {arguments, arguments + length - 1};
  uint32_t count = receive_request();
  if (count <= SOCKET) return;
  set_title(list, 2);
}
