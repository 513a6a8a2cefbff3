/* What the headers that the kernel gives away do not have: structures, a few constants, and the system call itself. */
#include <asm/errno.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <asm/socket.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <stdint.h>

struct iovec {
  void *base;
  uint64_t length;
};
struct msghdr {
  void *name;
  uint64_t name_length;
  struct iovec *vectors;
  uint64_t count;
  void *control;
  uint64_t control_length;
  uint32_t flags, padding;
};
#define SCM_RIGHTS 1
#define MSG_NOSIGNAL 0x4000
#define MSG_CMSG_CLOEXEC 0x40000000
#define LAST_SIGNAL 64

#ifdef PLAYED_KERNEL /* test/launcher plays it */
long system_call(long number, long a, long b, long c, long d, long e, long f);
#else
static long system_call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
  return x0;
#else
#error "the launcher knows x86-64 and arm64"
#endif
}
#endif

#define CALL(number, a, b, c, d) system_call((number), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static int is_error(long result) { return result < 0 && result >= -4095; }
