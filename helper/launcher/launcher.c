/*
 * The launcher executes a syscall program: a flat list of steps that the helper compiled (helper/launcher/program.ts).
 * It is what must happen between fork and exec, where Linux demands a process with a single thread. It holds no policy,
 * uses no C library, and allocates nothing.
 *
 * The program arrives on the socket at descriptor 3, little-endian, in this order:
 *
 *   header       u32 magic, version, number of steps, bytes of data, number of relocations, number of descriptors
 *   steps        see struct step
 *   relocations  u32 each: the offset of a u64 in the data that holds an offset into the data and becomes a pointer
 *   data
 *
 * All of it is validated before the first step runs. Reports go back over the same socket (see struct report). The
 * socket is closed by a successful execve: with the report that this was arrived at, that is the proof that the program started.
 *
 * Started with an empty argument it runs no program itself, but makes launchers on request (see serve).
 */
#include "kernel.h"

#define MAGIC 0x314f5349u /* "ISO1" */
#define VERSION 1u
#define SOCKET 3
/* As in program.ts: data has room for the most that Linux takes as environment, and a pointer to each string of it. What a program does not use of the arrays below is never touched, and takes no memory. */
#define MAX_STEPS 131072u
#define MAX_DATA 33554432u
#define MAX_RELOCATIONS 1048576u
#define MAX_DESCRIPTORS 512u
#define HIGHEST_DESCRIPTOR 2147483647u /* it is an int */
#define MAX_SYSCALL 1024u
#define MAX_PASSED 128u /* descriptors of a launcher that is made on request */
#define MAX_ATTEMPTS 1000
#define SKIPPED INT64_MIN /* the result of a step that did not run; no system call has it */

enum step_kind { SYSCALL = 1, FORK = 2, INIT = 3, SYNC = 4, TETHER = 5, FINALLY = 6 };
enum step_flags { IGNORE_ERROR = 1, REPORT_RESULT = 2, IF_FAILED = 4, IGNORE_LACKING = 8, ANNOUNCE = 16 };
enum argument_kind { INTEGER = 0, POINTER = 1, RESULT = 2 };
enum report_kind { FAILED = 1, RESULTED = 2, SYNCED = 3, MALFORMED = 4, ARRIVED = 5 };

struct header {
  uint32_t magic, version, steps, data, relocations, descriptors;
};

struct step {
  uint16_t kind, flags;
  uint32_t number;
  uint64_t arguments[6]; /* an integer, an offset into the data, or the index of an earlier step */
  uint8_t kinds[6];
  uint16_t condition; /* not 0: so many steps before is the one that must have succeeded, or with IF_FAILED failed, for this to run */
};

struct report {
  uint32_t kind, step;
  int64_t value; /* FAILED: errno. RESULTED: the result. SYNCED: the pid. MALFORMED: the line that found it. ARRIVED: 0 */
};

struct passed {
  uint64_t length;
  int32_t level, type; /* struct cmsghdr */
  int32_t descriptors[MAX_PASSED];
};

static struct header header;
static struct step steps[MAX_STEPS];
static uint32_t relocations[MAX_RELOCATIONS];
static _Alignas(16) unsigned char data[MAX_DATA + 16]; /* what is past the data stays zero: a string always ends */
static long results[MAX_STEPS];
static uint32_t last_step; /* where the program ends; what may follow is done in the end */
static int is_forked;       /* this is no longer the process that read the program */
static int parent_end = -1; /* of a pipe whose other end nobody but the parent has: closed, the parent is gone */
static char *title; /* the arguments that /proc/PID/cmdline shows */

static _Noreturn void leave(int status) {
  for (;;) CALL(__NR_exit_group, status, 0, 0, 0);
}

static void send_report(uint32_t kind, uint32_t step, int64_t value) {
  struct report report = {kind, step, value};
  /* Sixteen bytes into an empty socket buffer go in whole. When the helper is gone there is nobody to tell. */
  system_call(__NR_sendto, SOCKET, (long)&report, sizeof report, MSG_NOSIGNAL, 0, 0);
}

static _Noreturn void refuse(int line) {
  send_report(MALFORMED, 0, line);
  leave(127);
}

#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) refuse(__LINE__); \
  } while (0)

static void clean_up(void);

static _Noreturn void fail(uint32_t step, long error) {
  send_report(FAILED, step, error);
  clean_up();
  leave(127);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Before the program: a clean process */

static void become_clean(void) {
  CALL(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0);
  CALL(__NR_prctl, PR_SET_NAME, "isoscope", 0, 0);
  /* struct kernel_sigaction is handler, flags, restorer and mask on both architectures: all zero is SIG_DFL. */
  const uint64_t by_default[4] = {0, 0, 0, 0};
  for (int signal = 1; signal <= LAST_SIGNAL; signal++)
    if (signal != SIGKILL && signal != SIGSTOP) CALL(__NR_rt_sigaction, signal, by_default, 0, 8);
  const uint64_t none = 0;
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
}

/* Closes what the program does not name, and lets nothing but standard input and outputs outlive execve. */
static void keep_descriptors(uint32_t count) {
  if (is_error(CALL(__NR_close_range, count, ~0u, 0, 0)))
    for (uint32_t descriptor = count; descriptor < 4096; descriptor++) CALL(__NR_close, descriptor, 0, 0, 0);
  for (uint32_t descriptor = SOCKET; descriptor < count; descriptor++)
    CALL(__NR_fcntl, descriptor, F_SETFD, FD_CLOEXEC, 0);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Reading and validating the program */

static void read_whole(void *into, uint64_t length) {
  uint64_t done = 0;
  while (done < length) {
    long got = CALL(__NR_read, SOCKET, (unsigned char *)into + done, length - done, 0);
    if (got == -EINTR) continue;
    REQUIRE(got > 0); /* it ended early: the program is cut short, or the helper is gone */
    done += (uint64_t)got;
  }
}

static void read_program(void) {
  read_whole(&header, sizeof header);
  REQUIRE(header.magic == MAGIC);
  REQUIRE(header.version == VERSION);
  REQUIRE(header.steps > 0 && header.steps <= MAX_STEPS);
  REQUIRE(header.data <= MAX_DATA);
  REQUIRE(header.relocations <= MAX_RELOCATIONS);
  REQUIRE(header.descriptors > SOCKET && header.descriptors <= MAX_DESCRIPTORS);
  read_whole(steps, (uint64_t)header.steps * sizeof steps[0]);
  read_whole(relocations, (uint64_t)header.relocations * sizeof relocations[0]);
  read_whole(data, header.data);
}

static void validate_argument(const struct step *step, uint32_t index, int i) {
  uint64_t value = step->arguments[i];
  switch (step->kinds[i]) {
    case INTEGER: return;
    case POINTER: REQUIRE(value < header.data); return;
    case RESULT: REQUIRE(value < index); return;
    default: refuse(__LINE__);
  }
}

static void validate_step(const struct step *step, uint32_t index) {
  REQUIRE(step->kind >= SYSCALL && step->kind <= FINALLY);
  REQUIRE((step->flags & ~(IGNORE_ERROR | REPORT_RESULT | IF_FAILED | IGNORE_LACKING | ANNOUNCE)) == 0);
  REQUIRE(step->kind == SYSCALL ? step->number < MAX_SYSCALL : step->number == 0);
  REQUIRE(step->condition <= index && (step->condition == 0 || step->kind == SYSCALL));
  REQUIRE((step->flags & IF_FAILED) == 0 || step->condition != 0);
  for (int i = 0; i < 6; i++) validate_argument(step, index, i);
  /* What these look into themselves is what it says, and never the result of a step. */
  if (step->kind == TETHER)
    REQUIRE(step->kinds[0] == INTEGER && step->arguments[0] >= 1 && step->arguments[0] <= LAST_SIGNAL);
  if (step->kind == FORK || step->kind == INIT)
    REQUIRE(step->kinds[2] == POINTER || (step->kinds[2] == INTEGER && step->arguments[2] == 0));
}

static void validate_program(void) {
  for (uint32_t i = 0; i < header.steps; i++) validate_step(&steps[i], i);
  for (uint32_t i = 0; i < header.relocations; i++) {
    uint32_t offset = relocations[i];
    REQUIRE(offset % 8 == 0 && header.data >= 8 && offset <= header.data - 8);
    REQUIRE(i == 0 || offset > relocations[i - 1]); /* each only once */
    REQUIRE(*(uint64_t *)(data + offset) < header.data);
  }
}

static void relocate(void) {
  for (uint32_t i = 0; i < header.relocations; i++) *(uint64_t *)(data + relocations[i]) += (uint64_t)(uintptr_t)data;
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* The steps */

static long argument(const struct step *step, int i) {
  uint64_t value = step->arguments[i];
  if (step->kinds[i] == POINTER) return (long)(uintptr_t)(data + value);
  if (step->kinds[i] == RESULT) return results[value];
  return (long)value;
}

/* An error is no descriptor: as one, some errno of a file system would be AT_FDCWD. */
static int lacks_argument(const struct step *step) {
  for (int i = 0; i < 6; i++)
    if (step->kinds[i] == RESULT && (is_error(argument(step, i)) || argument(step, i) == SKIPPED)) return 1;
  return 0;
}

/* What depends on a step that did not run does not run either. */
static int is_skipped(const struct step *step, uint32_t index) {
  if (step->condition == 0) return 0;
  long decisive = results[index - step->condition];
  return decisive == SKIPPED || is_error(decisive) != ((step->flags & IF_FAILED) != 0);
}

/* Whether the other end of a pipe or socket is closed. */
static int gone(int descriptor) {
  struct pollfd polled = {descriptor, 0, 0};
  const int64_t at_once[2] = {0, 0};
  return CALL(__NR_ppoll, &polled, 1, at_once, 0) == 1 && (polled.revents & POLLHUP) != 0;
}

/*
 * Die with the parent. A change of credentials clears the wish (prctl(2)), so it is a step of its own that comes after
 * them, and since the parent may have died before it, that is looked at afterwards: the one who forked us by its pipe, the
 * helper by its end of the socket. A process that ends closes its files first, then sends its children the signals that they
 * wish for, and only then is a zombie (do_exit() and exit_notify() in kernel/exit.c): a file that is still open says that the
 * wish came in time, which neither a pidfd nor getppid(2) does. What an init forked needs no look: it ends with the init
 * (pid_namespaces(7)).
 */
static long tether(const struct step *step) {
  CALL(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0); /* a change of credentials may have set it to fs.suid_dumpable */
  /* From here to the fork the wish must not end a process that has to clean up. */
  const uint64_t all = ~0ull;
  if (!is_forked && last_step < header.steps) CALL(__NR_rt_sigprocmask, SIG_BLOCK, &all, 0, 8);
  long result = CALL(__NR_prctl, PR_SET_PDEATHSIG, argument(step, 0), 0, 0);
  if (is_error(result)) return result;
  return gone(SOCKET) || (parent_end >= 0 && gone(parent_end)) ? -EOWNERDEAD : 0;
}

/* The helper may hand over a descriptor with its go, which is the step's result. */
static long synchronise(uint32_t index) {
  unsigned char go = 0;
  struct {
    uint64_t length;
    int32_t level, type, descriptor, padding;
  } passed = {0, 0, 0, 0, 0};
  struct iovec vector = {&go, 1};
  struct msghdr message = {0, 0, &vector, 1, &passed, sizeof passed, 0, 0};
  send_report(SYNCED, index, CALL(__NR_getpid, 0, 0, 0, 0));
  long got;
  do got = CALL(__NR_recvmsg, SOCKET, &message, MSG_CMSG_CLOEXEC, 0);
  while (got == -EINTR);
  if (got == 1 && go == 'g') return passed.level == SOL_SOCKET && passed.type == SCM_RIGHTS ? passed.descriptor : 0;
  clean_up();
  leave(127); /* the helper refused, or is gone */
}

/* Ends as the child ended. A pid 1 cannot die of a signal that it sends itself, so an init says it by the shell's custom. */
static _Noreturn void end_like(int status, int as_init) {
  int signal = status & 0x7f;
  if (signal == 0) leave((status >> 8) & 0xff);
  if (!as_init) {
    const uint64_t none = 0;
    CALL(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
    CALL(__NR_kill, CALL(__NR_getpid, 0, 0, 0, 0), signal, 0, 0);
  }
  leave(128 + signal);
}

/* An init is seen by what it looks after, and needs nothing but to signal it. */
static void keep_only_kill(void) {
  const uint32_t version[2] = {_LINUX_CAPABILITY_VERSION_3, 0};
  const uint32_t sets[6] = {1u << CAP_KILL, 1u << CAP_KILL, 0, 0, 0, 0}; /* effective, permitted, inheritable; high bits */
  system_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
  CALL(__NR_capset, version, sets, 0, 0);
}

/* What the first process may need in the end stays open; what others wait for the end of does not. */
static void close_descriptors(long status_descriptor, long gate) {
  if (!is_forked && last_step < header.steps) {
    CALL(__NR_close_range, 0, SOCKET, 0, 0);
  } else {
    long low = status_descriptor < gate ? status_descriptor : gate, high = status_descriptor < gate ? gate : status_descriptor;
    if (low > 0) CALL(__NR_close_range, 0, low - 1, 0, 0);
    if (high > low + 1) CALL(__NR_close_range, low > 0 ? low + 1 : 0, high - 1, 0, 0);
    CALL(__NR_close_range, high + 1, ~0u, 0, 0);
  }
}

/*
 * The life of the parent after a fork: hands every signal on to the child, reaps, and ends as the child ends. The last
 * signal (which tether() asks for when the helper dies, and which the helper sends to stop a program) kills the child's
 * process group; a keeper's child has a child of its own to kill first. Of its descriptors it keeps the one, if any, that
 * the child's wait status is written to, and the gate, by whose end the child sees that it ended. The child waits until the
 * others are closed: what runs in it may be able to look into its init, which keeps no gate, and finds nothing there.
 */
static _Noreturn void relay(long child, int as_init, int as_keeper, long status_descriptor, const int gate[2]) {
  const uint64_t all = ~0ull;
  if (as_init) keep_only_kill();
  CALL(__NR_close, gate[0], 0, 0, 0);
  close_descriptors(status_descriptor, gate[1]);
  if (as_init) CALL(__NR_close, gate[1], 0, 0, 0);
  else system_call(__NR_write, gate[1], (long)"", 1, 0, 0, 0); /* SIGPIPE is blocked */
  for (;;) {
    long signal = CALL(__NR_rt_sigtimedwait, &all, 0, 0, 8);
    if (signal == LAST_SIGNAL && !as_keeper) {
      CALL(__NR_kill, -child, SIGKILL, 0, 0);
      CALL(__NR_kill, child, SIGKILL, 0, 0);
    } else if (signal > 0 && signal != SIGCHLD) {
      CALL(__NR_kill, child, signal, 0, 0);
    }
    int status = 0;
    long pid;
    while ((pid = CALL(__NR_wait4, -1, &status, __WALL | WNOHANG, 0)) > 0) {
      if (pid != child) continue;
      if (status_descriptor > 0) CALL(__NR_write, status_descriptor, &status, sizeof status, 0);
      clean_up();
      end_like(status, as_init);
    }
  }
}

/*
 * A first argument other than 0 is a descriptor of the cgroup v2 in which the child begins: no migration, and no lock over
 * all. A second one is the descriptor that the parent keeps for the child's wait status. A third one makes the parent a
 * keeper, outside of what its child, which forks again, goes into; it is the text that then begins the parent's title.
 */
static long fork_here(const struct step *step, uint32_t index, int as_init) {
  const uint64_t all = ~0ull, none = 0;
  const uint64_t cgroup = (uint64_t)argument(step, 0), status = (uint64_t)argument(step, 1);
  if (cgroup > HIGHEST_DESCRIPTOR || status > HIGHEST_DESCRIPTOR) return -EBADF;
  const uint64_t clone_args[11] = {cgroup == 0 ? 0 : CLONE_INTO_CGROUP, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, cgroup};
  int gate[2];
  long made = CALL(__NR_pipe2, gate, O_CLOEXEC, 0, 0);
  if (is_error(made)) return made;
  CALL(__NR_rt_sigprocmask, SIG_BLOCK, &all, 0, 8);
  long child = cgroup == 0 ? system_call(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0)
                           : CALL(__NR_clone3, clone_args, sizeof clone_args, 0, 0);
  if (is_error(child)) return child;
  if (child > 0) {
    const char *keeper = (const char *)argument(step, 2);
    for (int i = 0; keeper != 0 && keeper[i] != 0 && title[i] != 0; i++) title[i] = keeper[i];
    send_report(RESULTED, index, child);
    relay(child, as_init, keeper != 0, (long)status, gate);
  }
  CALL(__NR_close, gate[1], 0, 0, 0);
  char nothing;
  CALL(__NR_read, gate[0], &nothing, 1, 0); /* all signals are blocked: it ends when the parent has closed, or is gone */
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
  if (parent_end >= 0) CALL(__NR_close, parent_end, 0, 0, 0);
  parent_end = as_init ? -1 : gate[0];
  if (as_init) CALL(__NR_close, gate[0], 0, 0, 0);
  is_forked = 1;
  return 0;
}

/* A rename or a mount anywhere may come between a "..", of which openat2(2) then cannot say whether it stays inside. */
static long call(const struct step *step) {
  long result;
  int attempts = 0;
  do result = system_call(step->number, argument(step, 0), argument(step, 1), argument(step, 2), argument(step, 3),
                          argument(step, 4), argument(step, 5));
  while (step->number == __NR_openat2 && result == -EAGAIN && ++attempts < MAX_ATTEMPTS);
  return result;
}

/* What was meant to be written is, or the step failed: the kernel may take less, as when a tmpfs is just full. */
static long write_whole(const struct step *step, int by_copy) {
  long from = argument(step, 1), count = argument(step, by_copy ? 3 : 2), done = 0;
  while (done < count) {
    long got = by_copy ? CALL(__NR_sendfile, argument(step, 0), from, argument(step, 2), count - done)
                       : CALL(__NR_write, argument(step, 0), (uint64_t)from + (uint64_t)done, count - done, 0);
    if (got == -EINTR) continue;
    if (is_error(got)) return got;
    if (got == 0) return -EIO; /* there is less to copy than there was */
    done += got;
  }
  return done;
}

static long run_step(const struct step *step, uint32_t index) {
  if (is_skipped(step, index)) return SKIPPED;
  if (lacks_argument(step)) return -EBADF;
  switch (step->kind) {
    case FORK: return fork_here(step, index, 0);
    case INIT: return fork_here(step, index, 1);
    case SYNC: return synchronise(index);
    case TETHER: return tether(step);
    default:
      if (step->number == __NR_sendfile) return write_whole(step, 1);
      if (step->number == __NR_write && argument(step, 2) > 0) return write_whole(step, 0);
      return call(step);
  }
}

/* After a FINALLY come steps for the first process when it ends, however far the program came. */
static void clean_up(void) {
  const uint64_t all = ~0ull;
  if (is_forked) return;
  CALL(__NR_rt_sigprocmask, SIG_BLOCK, &all, 0, 8); /* SIGPIPE, when nobody is left to be told */
  for (uint32_t i = last_step + 1; i < header.steps; i++)
    if (steps[i].kind == SYSCALL) results[i] = run_step(&steps[i], i);
}

static void find_last_step(void) {
  for (last_step = 0; last_step < header.steps; last_step++)
    if (steps[last_step].kind == FINALLY) return;
}

static void run_program(void) {
  for (uint32_t i = 0; i < last_step; i++) {
    const struct step *step = &steps[i];
    if ((step->flags & ANNOUNCE) != 0) send_report(ARRIVED, i, 0);
    long result = results[i] = run_step(step, i);
    if (result == SKIPPED) continue;
    if (is_error(result)) {
      int is_lacking = result == -ENOENT || result == -ENOTDIR;
      int is_ignored = (step->flags & IGNORE_ERROR) != 0 || ((step->flags & IGNORE_LACKING) != 0 && is_lacking);
      if (!is_ignored) fail(i, -result);
      if ((step->flags & REPORT_RESULT) != 0) send_report(RESULTED, i, result);
    } else if ((step->flags & REPORT_RESULT) != 0) {
      send_report(RESULTED, i, result);
    }
  }
}

static _Noreturn void launch(void) {
  read_program();
  validate_program();
  keep_descriptors(header.descriptors);
  relocate();
  find_last_step();
  run_program();
  send_report(ARRIVED, last_step, 0); /* a program need not end in execve */
  clean_up();
  leave(0);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Launchers on request */

static unsigned char wanted_title[256];
static long title_length;

/* The descriptors of the next request, which are 4, 5, ... here since those before have been closed; 0 when there is no more. */
static uint32_t receive_request(void) {
  static struct passed passed;
  struct iovec vector = {wanted_title, sizeof wanted_title};
  struct msghdr message = {0, 0, &vector, 1, &passed, sizeof passed, 0, 0};
  passed.level = 0; /* without descriptors nothing is written there */
  do title_length = CALL(__NR_recvmsg, SOCKET, &message, 0, 0);
  while (title_length == -EINTR);
  if (title_length < 1 || message.flags != 0 || passed.level != SOL_SOCKET || passed.type != SCM_RIGHTS) return 0;
  uint32_t count = (uint32_t)((passed.length - 16) / sizeof passed.descriptors[0]);
  for (uint32_t i = 0; i < count; i++)
    if (passed.descriptors[i] != (int32_t)(SOCKET + 1 + i)) return 0;
  return count;
}

/* Writes the arguments that /proc/PID/cmdline shows over those that the server was given, which have room. */
static void set_title(char *const *arguments, long count) {
  char *to = arguments[0], *last = arguments[count - 1];
  for (long i = 0; to + i < last; i++) to[i] = i < title_length ? (char)wanted_title[i] : 0;
}

/*
 * Makes a launcher for each message: the arguments that it is to show, and the descriptors that become its 0, 1, 2, .... Answers with
 * its pid or -errno. It is a child of the helper, not of this process: as if the helper had started it, but by the fork of a process
 * of a few pages instead of an execve. Ends with the helper's end of the socket.
 */
static _Noreturn void serve(char *const *arguments, long argument_count) {
  for (;;) {
    uint32_t count = receive_request();
    if (count <= SOCKET) leave(0);
    int32_t made = (int32_t)system_call(__NR_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0, 0);
    if (made == 0) {
      set_title(arguments, argument_count);
      /* Upwards nothing is overwritten before it was copied: what goes to i comes from above it. */
      for (uint32_t i = 0; i < count; i++) CALL(__NR_dup3, SOCKET + 1 + i, i, 0, 0);
      launch();
    }
    for (uint32_t i = 0; i < count; i++) CALL(__NR_close, SOCKET + 1 + i, 0, 0, 0);
    system_call(__NR_sendto, SOCKET, (long)&made, sizeof made, MSG_NOSIGNAL, 0, 0);
  }
}

__attribute__((used)) static _Noreturn void start(const long *stack) {
  char *const *arguments = (char *const *)(stack + 1);
  become_clean();
  title = arguments[0];
  if (stack[0] > 1 && arguments[1][0] == 0) serve(arguments, stack[0]);
  launch();
}

/* The kernel starts a program here with an aligned stack, on which are the number of arguments and these, and no return address. */
#if defined(PLAYED_KERNEL)
#elif defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n\thlt\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl start\n\tbrk #0\n");
#endif
