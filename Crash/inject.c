/* Makes system calls of a process fail as a test says, while it runs. Built by Interop/faults.py:
 *
 *     gcc -shared -fPIC -O2 -Wall -Werror -o inject.so inject.c -ldl
 *     INJECT_FAULTS=FILE LD_PRELOAD=./inject.so merpati serve ...
 *
 * FILE is a `struct control`, mapped by both sides; the test writes rules into it and reads back how often each was met.
 * Nothing is injected while no rule is active, and nothing at all where INJECT_FAULTS is not set.
 *
 * A rule names calls (a mask of enum call), files (a pattern as of fnmatch, against the whole path; sockets are
 * "socket:"), and what happens: an errno, after so many octets or calls, and how often. The first rule that fits decides.
 * An operation on an open file is matched by the name the file has in /proc/self/fd, so a rule may come after the open.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call {
  OPEN_READ = 1,   /* open for reading, opendir */
  OPEN_WRITE = 2,  /* open for writing, or with O_CREAT */
  READ = 4,
  WRITE = 8,
  SYNC = 16,       /* fsync, fdatasync */
  UNLINK = 32,
  RENAME = 64,     /* by the old name */
  TRUNCATE = 128,  /* ftruncate, fallocate */
  MAP = 256,       /* of a file */
  ACCEPT = 512,
  SOCKET = 1024,
  MAKE_DIRECTORY = 2048,
};

enum { RULES = 16, MAGIC = 0x4d464c31 };

struct rule {
  int32_t active;
  uint32_t calls;
  int32_t error;   /* 0: the call does half of what it was asked and says so (reads and writes) */
  int32_t times;   /* calls that still fail; below 0: all */
  int64_t room;    /* octets (of writes) or calls (of anything else) that still go well before the first failure */
  uint64_t hits;   /* calls failed so far */
  char pattern[216];
};

struct control {
  uint32_t magic;
  uint32_t attached;      /* set by the shim */
  int64_t realtime;       /* seconds by which CLOCK_REALTIME is wrong */
  struct rule rules[RULES];
};

static struct control *control;

__attribute__((constructor)) static void attach(void) {
  const char *name = getenv("INJECT_FAULTS");
  if (!name) return;
  int descriptor = open(name, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  struct control *map =
      mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (map == MAP_FAILED || map->magic != MAGIC) return;
  __atomic_store_n(&map->attached, 1, __ATOMIC_RELEASE);
  __atomic_store_n(&control, map, __ATOMIC_RELEASE);
}

#define REAL(type, name, ...)                                   \
  static type (*real)(__VA_ARGS__);                             \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static struct control *get(void) { return __atomic_load_n(&control, __ATOMIC_ACQUIRE); }

/* Is there any rule for such a call? Asked first: paths cost a system call. */
static int is_wanted(uint32_t call) {
  struct control *c = get();
  if (!c) return 0;
  for (int i = 0; i < RULES; i++)
    if (__atomic_load_n(&c->rules[i].active, __ATOMIC_ACQUIRE) && (c->rules[i].calls & call)) return 1;
  return 0;
}

static const char *absolute(const char *path, char *out, size_t size) {
  if (path[0] == '/') return path;
  if (!getcwd(out, size)) return path;
  size_t length = strlen(out);
  snprintf(out + length, size - length, "/%s", path);
  return out;
}

static const char *path_of(int descriptor, char *out, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  int saved = errno;
  ssize_t length = readlink(link, out, size - 1);
  errno = saved;
  if (length < 0) return "";
  out[length] = 0;
  return out;
}

/* What is to become of the call. `amount`: octets it wants to write, else 1. Returns -1: let it through. 0: do only
 * `*allowed` octets of it. Above 0: fail with that errno, unless `*allowed` octets are still to be done. */
static int verdict(uint32_t call, const char *path, int64_t amount, int64_t *allowed) {
  struct control *c = get();
  *allowed = amount;
  for (int i = 0; i < RULES; i++) {
    struct rule *r = &c->rules[i];
    if (!__atomic_load_n(&r->active, __ATOMIC_ACQUIRE) || !(r->calls & call)) continue;
    if (fnmatch(r->pattern, path, 0) != 0) continue;
    if (r->error == 0) {
      __atomic_add_fetch(&r->hits, 1, __ATOMIC_RELAXED);
      *allowed = amount / 2;
      return 0;
    }
    int64_t room = __atomic_fetch_sub(&r->room, amount, __ATOMIC_RELAXED);
    if (room >= amount) return -1;
    /* Not left below zero, where it could wrap one day. */
    __atomic_store_n(&r->room, 0, __ATOMIC_RELAXED);
    if (__atomic_load_n(&r->times, __ATOMIC_RELAXED) >= 0 &&
        __atomic_fetch_sub(&r->times, 1, __ATOMIC_RELAXED) <= 0) {
      __atomic_store_n(&r->times, 0, __ATOMIC_RELAXED);
      return -1;
    }
    __atomic_add_fetch(&r->hits, 1, __ATOMIC_RELAXED);
    *allowed = room > 0 ? room : 0;
    return r->error;
  }
  return -1;
}

static int fails_path(uint32_t call, const char *path) {
  char room[4096];
  int64_t allowed;
  if (!path || !is_wanted(call)) return 0;
  int error = verdict(call, absolute(path, room, sizeof room), 1, &allowed);
  if (error <= 0) return 0;
  errno = error;
  return 1;
}

static int fails_descriptor(uint32_t call, int descriptor) {
  char room[4096];
  int64_t allowed;
  if (!is_wanted(call)) return 0;
  int error = verdict(call, path_of(descriptor, room, sizeof room), 1, &allowed);
  if (error <= 0) return 0;
  errno = error;
  return 1;
}

/* Octets of a write that may be done; -1: fail, errno is set. A write that meets the end of the room is a short one, as
 * on a real disk; the next one fails. */
static int64_t may_write(int descriptor, int64_t amount) {
  char room[4096];
  int64_t allowed;
  if (!is_wanted(WRITE)) return amount;
  int error = verdict(WRITE, path_of(descriptor, room, sizeof room), amount, &allowed);
  if (error < 0 || allowed > 0 || amount == 0) return allowed;
  if (error == 0) return amount; /* half of one octet */
  errno = error;
  return -1;
}

/* MARK: Names */

static int mode_of(int flags, va_list list) {
  return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, int) : 0;
}

static uint32_t opening(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) ? OPEN_WRITE : OPEN_READ;
}

#define OPEN(name)                                              \
  int name(const char *path, int flags, ...) {                  \
    REAL(int, #name, const char *, int, ...);                   \
    va_list list;                                               \
    va_start(list, flags);                                      \
    int mode = mode_of(flags, list);                            \
    va_end(list);                                               \
    if (fails_path(opening(flags), path)) return -1;            \
    return real(path, flags, mode);                             \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                          \
  int name(int folder, const char *path, int flags, ...) {                    \
    REAL(int, #name, int, const char *, int, ...);                            \
    va_list list;                                                             \
    va_start(list, flags);                                                    \
    int mode = mode_of(flags, list);                                          \
    va_end(list);                                                             \
    if (path[0] == '/' && fails_path(opening(flags), path)) return -1; \
    return real(folder, path, flags, mode);                                   \
  }
OPENAT(openat)
OPENAT(openat64)

DIR *opendir(const char *path) {
  REAL(DIR *, "opendir", const char *);
  return fails_path(OPEN_READ, path) ? NULL : real(path);
}

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  return fails_path(UNLINK, path) ? -1 : real(path);
}

int rename(const char *path, const char *target) {
  REAL(int, "rename", const char *, const char *);
  return fails_path(RENAME, path) ? -1 : real(path, target);
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  return fails_path(MAKE_DIRECTORY, path) ? -1 : real(path, mode);
}

/* MARK: Bytes */

#define HALF(call, amount)                                                      \
  int64_t allowed = (int64_t)(amount);                                          \
  if (is_wanted(call)) {                                                        \
    char room[4096];                                                            \
    /* Calls are counted, not octets; but a short one is half of its octets. */ \
    const char *path = path_of(descriptor, room, sizeof room);                  \
    int64_t one;                                                                \
    int error = verdict(call, path, 1, &one);                                   \
    if (error > 0) { errno = error; return -1; }                                \
    if (error == 0 && allowed > 1) allowed /= 2;                                \
  }

ssize_t read(int descriptor, void *bytes, size_t count) {
  REAL(ssize_t, "read", int, void *, size_t);
  HALF(READ, count)
  return real(descriptor, bytes, (size_t)allowed);
}

#define PREAD(name, offset_type)                                                \
  ssize_t name(int descriptor, void *bytes, size_t count, offset_type offset) { \
    REAL(ssize_t, #name, int, void *, size_t, offset_type);                     \
    HALF(READ, count)                                                           \
    return real(descriptor, bytes, (size_t)allowed, offset);                    \
  }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t write(int descriptor, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  int64_t allowed = may_write(descriptor, (int64_t)count);
  return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed);
}

#define PWRITE(name, offset_type)                                                     \
  ssize_t name(int descriptor, const void *bytes, size_t count, offset_type offset) { \
    REAL(ssize_t, #name, int, const void *, size_t, offset_type);                     \
    int64_t allowed = may_write(descriptor, (int64_t)count);                          \
    return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed, offset);       \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PWRITEV(name, offset_type)                                                          \
  ssize_t name(int descriptor, const struct iovec *pieces, int count, offset_type offset) { \
    REAL(ssize_t, #name, int, const struct iovec *, int, offset_type);                      \
    if (!is_wanted(WRITE)) return real(descriptor, pieces, count, offset);                  \
    int64_t total = 0;                                                                      \
    for (int i = 0; i < count; i++) total += (int64_t)pieces[i].iov_len;                    \
    int64_t allowed = may_write(descriptor, total);                                         \
    if (allowed < 0) return -1;                                                             \
    if (allowed == total) return real(descriptor, pieces, count, offset);                   \
    /* One piece of what is allowed; the caller goes on from there. */                      \
    for (int i = 0; i < count; i++) {                                                       \
      if (pieces[i].iov_len == 0) continue;                                                 \
      struct iovec first = pieces[i];                                                       \
      if ((int64_t)first.iov_len > allowed) first.iov_len = (size_t)allowed;                \
      return real(descriptor, &first, 1, offset);                                           \
    }                                                                                       \
    return 0;                                                                               \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define SYNC_CALL(name)                                           \
  int name(int descriptor) {                                      \
    REAL(int, #name, int);                                        \
    return fails_descriptor(SYNC, descriptor) ? -1 : real(descriptor); \
  }
SYNC_CALL(fsync)
SYNC_CALL(fdatasync)

#define FTRUNCATE(name, offset_type)                                             \
  int name(int descriptor, offset_type size) {                                   \
    REAL(int, #name, int, offset_type);                                          \
    return fails_descriptor(TRUNCATE, descriptor) ? -1 : real(descriptor, size); \
  }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define MMAP(name, offset_type)                                                             \
  void *name(void *address, size_t size, int protection, int flags, int descriptor, offset_type offset) { \
    REAL(void *, #name, void *, size_t, int, int, int, offset_type);                        \
    if (descriptor >= 0 && fails_descriptor(MAP, descriptor)) return MAP_FAILED;            \
    return real(address, size, protection, flags, descriptor, offset);                      \
  }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

/* MARK: Sockets */

static int fails_socket(uint32_t call) {
  int64_t allowed;
  if (!is_wanted(call)) return 0;
  int error = verdict(call, "socket:", 1, &allowed);
  if (error <= 0) return 0;
  errno = error;
  return 1;
}

int accept(int door, struct sockaddr *address, socklen_t *length) {
  REAL(int, "accept", int, struct sockaddr *, socklen_t *);
  return fails_socket(ACCEPT) ? -1 : real(door, address, length);
}

int accept4(int door, struct sockaddr *address, socklen_t *length, int flags) {
  REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int);
  return fails_socket(ACCEPT) ? -1 : real(door, address, length, flags);
}

int socket(int domain, int type, int protocol) {
  REAL(int, "socket", int, int, int);
  return fails_socket(SOCKET) ? -1 : real(domain, type, protocol);
}

/* MARK: The clock on the wall. The monotonic clocks are left alone. */

int clock_gettime(clockid_t clock, struct timespec *time) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int result = real(clock, time);
  struct control *c = get();
  if (c && result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    time->tv_sec += __atomic_load_n(&c->realtime, __ATOMIC_RELAXED);
  return result;
}

int gettimeofday(struct timeval *time, void *zone) {
  REAL(int, "gettimeofday", struct timeval *, void *);
  int result = real(time, zone);
  struct control *c = get();
  if (c && result == 0) time->tv_sec += __atomic_load_n(&c->realtime, __ATOMIC_RELAXED);
  return result;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
