/*
 * Programs that are almost right, for the launcher, which is built into this with AddressSanitizer and UndefinedBehaviorSanitizer. The kernel is
 * played: it answers at random, whatever it is asked, and writes what it would write. Nothing on the machine is touched.
 *
 *   fuzz ROUNDS SEED FILE...     FILE: an encoded program. Prints how many rounds came to which end.
 */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { READ, EXIT_GROUP, CLONE, CLONE3, WAIT4, SIGTIMEDWAIT, RECVMSG, PIPE2, SENDTO, WRITE, EXECVE, SENDFILE, OPENAT2 };
extern const long CALLS[];
extern const unsigned BYTES_OF_HEADER, BYTES_OF_STEP;
void run_launcher(char *arguments);
void run_request(char *arguments, long length);

enum { SOCKET = 3, CHILD = 4711, MOST_CALLS = 10000000, MALFORMED = 4 };
enum { E_INTR = 4, E_AGAIN = 11, E_FAULT = 14, PAGE = 4096 };

static uint64_t state;
static uint32_t below(uint32_t bound) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return bound == 0 ? 0 : (uint32_t)(state >> 11) % bound;
}

static unsigned char *program;
static size_t length, taken;
static jmp_buf ended;
static unsigned long calls, malformed, ran;

static long partly(long count) {
  if (below(8) == 0) return -E_INTR;
  return count > 1 && below(3) == 0 ? 1 + (long)below((uint32_t)count - 1) : count;
}

/* struct msghdr of the launcher: one vector of one or more bytes, and room for what is passed. */
struct message {
  void *name;
  uint64_t name_length;
  struct { unsigned char *base; uint64_t length; } *vector;
  uint64_t count;
  unsigned char *control;
  uint64_t control_length;
  uint32_t flags, padding;
};

static long receive(struct message *message) {
  long got = below(8) == 0 ? -E_INTR : (long)below((uint32_t)message->vector->length + 1);
  for (long i = 0; i < got; i++) message->vector->base[i] = below(4) == 0 ? (unsigned char)below(256) : 'g';
  if (got <= 0 || below(3) == 0) return got;
  /* struct cmsghdr: its length with itself, SOL_SOCKET, SCM_RIGHTS; then descriptors, which begin where there is room. */
  uint64_t room = message->control_length > 16 ? (message->control_length - 16) / 4 : 0, passed = below((uint32_t)room + 1);
  uint64_t bytes = 16 + passed * 4;
  uint32_t head[2] = {1, 1};
  if (message->control_length < bytes) return got;
  memcpy(message->control, &bytes, 8);
  memcpy(message->control + 8, head, 8);
  for (uint64_t i = 0; i < passed; i++) {
    int32_t descriptor = SOCKET + 1 + (int32_t)i;
    memcpy(message->control + 16 + i * 4, &descriptor, 4);
  }
  if (below(16) == 0) message->flags = below(64);
  return got;
}

/* Whether there is memory: a step may be made to ask for any call with any number as its pointer, which the kernel answers with EFAULT. */
static int is_memory(long address, unsigned long bytes) {
  const unsigned long begin = (unsigned long)address & ~(unsigned long)(PAGE - 1), end = (unsigned long)address + bytes;
  return end >= (unsigned long)address && msync((void *)begin, end - begin, MS_ASYNC) == 0;
}

/* What of its memory a call reads or writes here. */
static int is_right(long number, long a, long b, long c) {
  if (number == CALLS[READ]) return a != SOCKET || (c >= 0 && is_memory(b, (unsigned long)c));
  if (number == CALLS[SENDTO]) return is_memory(b, 4);
  if (number == CALLS[PIPE2]) return is_memory(a, 8);
  if (number == CALLS[WAIT4]) return is_memory(b, 4);
  if (number != CALLS[RECVMSG]) return 1;
  if (!is_memory(b, sizeof(struct message))) return 0;
  const struct message *message = (const struct message *)b;
  return is_memory((long)message->vector, sizeof *message->vector) &&
         is_memory((long)message->vector->base, message->vector->length) && is_memory((long)message->control, message->control_length);
}

long system_call(long number, long a, long b, long c, long d, long e, long f) {
  (void)d, (void)e, (void)f;
  if (++calls > MOST_CALLS) abort(); /* it goes round and round */
  if (number == CALLS[EXIT_GROUP]) longjmp(ended, 1);
  if (!is_right(number, a, b, c)) return -E_FAULT;
  if (number == CALLS[READ] && a == SOCKET) {
    long count = partly((long)(length - taken < (size_t)c ? length - taken : (size_t)c));
    if (count > 0) memcpy((void *)b, program + taken, (size_t)count), taken += (size_t)count;
    return count;
  }
  if (number == CALLS[RECVMSG]) return receive((struct message *)b);
  if (number == CALLS[SENDTO]) {
    uint32_t kind;
    memcpy(&kind, (void *)b, 4);
    if (c == 16 && kind == MALFORMED) malformed++;
    return c;
  }
  if (number == CALLS[PIPE2]) {
    const int32_t ends[2] = {100, 101};
    if (below(8) != 0) return memcpy((void *)a, ends, sizeof ends), 0;
  }
  if (number == CALLS[CLONE] || number == CALLS[CLONE3]) return below(4) == 0 ? -E_AGAIN : below(2) == 0 ? 0 : CHILD;
  if (number == CALLS[WAIT4]) {
    const int32_t status = (int32_t)below(0x10000);
    if (below(2) == 0) return -E_INTR;
    return memcpy((void *)b, &status, sizeof status), below(4) == 0 ? 17 : CHILD;
  }
  if (number == CALLS[SIGTIMEDWAIT]) return below(4) == 0 ? -E_AGAIN : 1 + (long)below(64);
  if (number == CALLS[WRITE]) return c == 0 ? 0 : partly(c);
  if (number == CALLS[SENDFILE]) return below(32) == 0 ? 0 : partly(d);
  if (number == CALLS[OPENAT2] && below(2) == 0) return -E_AGAIN;
  if (number == CALLS[EXECVE] && below(2) == 0) longjmp(ended, 1);
  return below(8) == 0 ? -(long)(1 + below(133)) : (long)below(600);
}

struct seed {
  unsigned char *bytes;
  size_t length;
};

static struct seed seed_of(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) exit(2);
  struct seed seed = {NULL, (size_t)ftell(file)};
  rewind(file);
  seed.bytes = malloc(seed.length);
  if (fread(seed.bytes, 1, seed.length, file) != seed.length) exit(2);
  fclose(file);
  return seed;
}

static const uint64_t EDGES[] = {0,   1,    2,    3,      4,         5,          6,          7,          63,   64,         65,
                                 512, 1023, 1024, 131072, 131073,    1048576,    33554431,   33554432,   0xff, 0x7fffffff, 0x80000000,
                                 0xffff, 0xfffffff8, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff};

/* Makes it wrong in the header, the steps, the relocations, its end, or anywhere. */
static void mutate(void) {
  uint32_t steps, relocations;
  memcpy(&steps, program + 8, 4);
  memcpy(&relocations, program + 16, 4);
  if (steps > 4096) steps = 1;
  const size_t steps_end = BYTES_OF_HEADER + (size_t)steps * BYTES_OF_STEP;
  size_t at = below((uint32_t)length);
  switch (below(8)) {
    case 0: at = below(BYTES_OF_HEADER / 4) * 4; break;
    case 1:
    case 2:
    case 3: at = BYTES_OF_HEADER + (size_t)below(steps) * BYTES_OF_STEP + below(BYTES_OF_STEP); break;
    case 4: length = at; return;
    case 5: at = steps_end + (size_t)below(relocations) * 4; break;
    default: break;
  }
  const size_t size = (size_t)1 << below(4);
  uint64_t value = EDGES[below(sizeof EDGES / sizeof EDGES[0])];
  if (at + size > length) return;
  if (below(3) == 0) memcpy(&value, program + at, size), value += below(17) - (uint64_t)8;
  memcpy(program + at, &value, size);
}

int main(int count, char **arguments) {
  if (count < 4) return 2;
  const unsigned long rounds = strtoul(arguments[1], NULL, 10);
  state = strtoull(arguments[2], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
  for (volatile unsigned long round = 0; round < rounds; round++) {
    struct seed seed = seed_of(arguments[3 + round % (unsigned long)(count - 3)]);
    program = seed.bytes, length = seed.length, taken = 0, calls = 0;
    for (uint32_t times = below(6); times > 0 && length > BYTES_OF_HEADER; times--) mutate();
    char *title = calloc(1, 201);
    memset(title, ' ', 200);
    const unsigned long before = malformed;
    if (setjmp(ended) == 0) run_launcher(title);
    if (malformed == before) ran++;
    if (setjmp(ended) == 0) run_request(title, 201);
    free(title);
    free(program);
  }
  printf("malformed %lu, ran %lu\n", malformed, ran);
  return 0;
}
