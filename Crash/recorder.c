/* Records what a server process does to its files, and what it sends: LD_PRELOAD=recorder.so
   RECORD_ROOT=<folder> RECORD_LOG=<file>.

   Every call below that changes a file under the folder, or makes it durable, becomes one record, and so does every
   octet that leaves by a socket. Call and record happen under one lock, so the log has one order for the whole process,
   and it is an order that the calls really had. The lock of the log file does the same between processes.

   Not recorded: what goes through a mapping. A shared writable mapping of anything but SQLite's -shm becomes a record
   TROUBLE, which fails the campaign. What is missed in any other way shows when the replayed log is compared with the
   folder, octet for octet.

   Signal SIGRTMIN+5 is a kill -9 that waits for the call under way to be recorded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, FSYNC, SYNCDIR, SEND, START, TROUBLE, SYMLINK };

struct head {
  uint32_t total;  /* octets of the record, this head included */
  uint32_t type;
  uint32_t pid;
  uint32_t first;  /* octets of the first path */
  uint64_t inode;  /* SEND: peer port, or 1 << 32 | process at the other end of a unix socket */
  int64_t offset;  /* of a WRITE; size of a TRUNCATE; OPEN: 1 if the file was made; SEND: octets */
  uint32_t second; /* octets of the second path, or of the frames of a sync */
  uint32_t data;   /* octets written */
};

static char root[4096];
static size_t root_length;
static int log_file = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile sig_atomic_t dying;
static __thread int inside;

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void die(int signal) {
  (void)signal;
  dying = 1;
  /* Nobody is inside a call: at once. Otherwise whoever is does it when the call is recorded. */
  if (pthread_mutex_trylock(&lock) == 0) raise(SIGKILL);
}

static void enter(void) {
  pthread_mutex_lock(&lock);
  if (dying) raise(SIGKILL);
  flock(log_file, LOCK_EX);
  inside = 1;
}

static void leave(void) {
  inside = 0;
  flock(log_file, LOCK_UN);
  if (dying) raise(SIGKILL);
  pthread_mutex_unlock(&lock);
}

static void record(int type, uint64_t inode, int64_t offset, const char *first, const void *second,
                   uint32_t second_length, const struct iovec *data, int count, uint64_t length) {
  struct head head = {0};
  struct iovec parts[1100];
  int n = 0;
  head.type = type;
  head.pid = getpid();
  head.first = first ? strlen(first) : 0;
  head.inode = inode;
  head.offset = offset;
  head.second = second_length;
  head.data = length;
  head.total = sizeof head + head.first + second_length + length;
  parts[n++] = (struct iovec){&head, sizeof head};
  if (head.first) parts[n++] = (struct iovec){(void *)first, head.first};
  if (second_length) parts[n++] = (struct iovec){(void *)second, second_length};
  for (int i = 0; i < count && length > 0 && n < 1100; i++) {
    size_t piece = data[i].iov_len < length ? data[i].iov_len : length;
    if (piece) parts[n++] = (struct iovec){data[i].iov_base, piece};
    length -= piece;
  }
  REAL(writev);
  if (real(log_file, parts, n) != (ssize_t)head.total) {
    fprintf(stderr, "recorder: the log could not be written\n");
    abort();
  }
}

/* The path relative to the folder; NULL: outside. */
static const char *under(const char *path) {
  if (strncmp(path, root, root_length) || path[root_length] != '/') return NULL;
  return path + root_length + 1;
}

static const char *absolute(int folder, const char *path, char *buffer, size_t size) {
  if (path[0] == '/') return under(path);
  char link[64], base[4096];
  if (folder == AT_FDCWD) {
    if (!getcwd(base, sizeof base)) return NULL;
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t n = readlink(link, base, sizeof base - 1);
    if (n < 0) return NULL;
    base[n] = 0;
  }
  snprintf(buffer, size, "%s/%s", base, path);
  return under(buffer);
}

/* For a regular file or a directory under the folder: its path there. */
static const char *path_of(int fd, struct stat *info, char *buffer, size_t size) {
  char link[64];
  if (log_file < 0 || fd == log_file || fstat(fd, info)) return NULL;
  if (!S_ISREG(info->st_mode) && !S_ISDIR(info->st_mode)) return NULL;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, buffer, size - 1);
  if (n < 0) return NULL;
  buffer[n] = 0;
  if (n > 10 && !strcmp(buffer + n - 10, " (deleted)")) buffer[n - 10] = 0;
  if (!strcmp(buffer, root)) return "";
  return under(buffer);
}

/* Where a sync was asked for: addresses in the program itself, so that they can be looked up in its debug information. */
static uint32_t frames(uint64_t *out) {
  void *stack[48];
  int count = backtrace(stack, 48), n = 0;
  static void *recorder;
  Dl_info own;
  if (!recorder && dladdr((void *)frames, &own)) recorder = own.dli_fbase;
  for (int i = 0; i < count && n < 40; i++) {
    Dl_info info;
    if (!dladdr(stack[i], &info) || info.dli_fbase == recorder) continue;
    const char *name = info.dli_fname ? info.dli_fname : "";
    if (strstr(name, "libsqlite3")) {
      if (n == 0 || out[n - 1] != 1) out[n++] = 1;
    } else if (strstr(name, ".so")) {
      continue;
    } else {
      out[n++] = (uint64_t)((char *)stack[i] - (char *)info.dli_fbase);
    }
  }
  return n * sizeof out[0];
}

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("RECORD_ROOT"), *path = getenv("RECORD_LOG");
  if (!folder || !path || !realpath(folder, root)) return;
  root_length = strlen(root);
  REAL(open);
  log_file = real(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_file < 0) return;
  void *warm[4];
  backtrace(warm, 4); /* loads the unwinder now, not under the lock */
  struct sigaction action = {0};
  action.sa_handler = die;
  sigaction(SIGRTMIN + 5, &action, NULL);
  enter();
  record(START, 0, 0, NULL, NULL, 0, NULL, 0, 0);
  leave();
}

/* ---- names ---- */

static int opened(int folder, const char *path, int flags, mode_t mode, int wide) {
  __typeof__(openat) *real = (__typeof__(openat) *)dlsym(RTLD_NEXT, wide ? "openat64" : "openat");
  char buffer[8192];
  const char *name = log_file < 0 || inside ? NULL : absolute(folder, path, buffer, sizeof buffer);
  if (!name || !(flags & (O_CREAT | O_TRUNC))) return real(folder, path, flags, mode);
  struct stat before, after;
  enter();
  int missing = fstatat(folder, path, &before, 0) != 0;
  int fd = real(folder, path, flags, mode), code = errno;
  if (fd >= 0 && !fstat(fd, &after) && S_ISREG(after.st_mode)) {
    if (missing) record(OPEN, after.st_ino, 1, name, NULL, 0, NULL, 0, 0);
    else if ((flags & O_TRUNC) && before.st_size) record(TRUNCATE, after.st_ino, 0, name, NULL, 0, NULL, 0, 0);
  }
  leave();
  errno = code;
  return fd;
}

#define MODE(flags) \
  mode_t mode = 0; \
  if (flags & (O_CREAT | __O_TMPFILE)) { \
    va_list list; \
    va_start(list, flags); \
    mode = va_arg(list, mode_t); \
    va_end(list); \
  }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode, 0); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode, 1); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode, 0); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode, 1); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode, 0); }
int mkstemp(char *path) {
  REAL(mkstemp);
  char buffer[8192];
  if (log_file < 0 || inside || !absolute(AT_FDCWD, path, buffer, sizeof buffer)) return real(path);
  enter();
  int fd = real(path), code = errno;
  struct stat after;
  if (fd >= 0 && !fstat(fd, &after))
    record(OPEN, after.st_ino, 1, absolute(AT_FDCWD, path, buffer, sizeof buffer), NULL, 0, NULL, 0, 0);
  leave();
  errno = code;
  return fd;
}

static void removed(int result, int type, const char *name, ino_t inode) {
  if (result == 0) record(type, inode, 0, name, NULL, 0, NULL, 0, 0);
}

static int unlinked(int folder, const char *path, int flags) {
  REAL(unlinkat);
  char buffer[8192];
  const char *name = log_file < 0 || inside ? NULL : absolute(folder, path, buffer, sizeof buffer);
  if (!name) return real(folder, path, flags);
  struct stat before = {0};
  enter();
  fstatat(folder, path, &before, AT_SYMLINK_NOFOLLOW);
  int result = real(folder, path, flags), code = errno;
  removed(result, flags & AT_REMOVEDIR ? RMDIR : UNLINK, name, before.st_ino);
  leave();
  errno = code;
  return result;
}

int unlink(const char *path) { return unlinked(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return unlinked(folder, path, flags); }
int rmdir(const char *path) { return unlinked(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  struct stat info;
  if (lstat(path, &info)) return -1;
  return unlinked(AT_FDCWD, path, S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  REAL(mkdirat);
  char buffer[8192];
  const char *name = log_file < 0 || inside ? NULL : absolute(folder, path, buffer, sizeof buffer);
  if (!name) return real(folder, path, mode);
  struct stat after = {0};
  enter();
  int result = real(folder, path, mode), code = errno;
  if (result == 0) {
    fstatat(folder, path, &after, 0);
    record(MKDIR, after.st_ino, 0, name, NULL, 0, NULL, 0, 0);
  }
  leave();
  errno = code;
  return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

static int two(int type, int from, const char *old, int to, const char *new, unsigned flags) {
  char a[8192], b[8192];
  const char *first = log_file < 0 || inside ? NULL : absolute(from, old, a, sizeof a);
  const char *second = log_file < 0 || inside ? NULL : absolute(to, new, b, sizeof b);
  __typeof__(renameat2) *move = (__typeof__(renameat2) *)dlsym(RTLD_NEXT, "renameat2");
  __typeof__(linkat) *join = (__typeof__(linkat) *)dlsym(RTLD_NEXT, "linkat");
  if (!first && !second) return type == LINK ? join(from, old, to, new, flags) : move(from, old, to, new, flags);
  struct stat before = {0};
  enter();
  fstatat(from, old, &before, AT_SYMLINK_NOFOLLOW);
  int result = type == LINK ? join(from, old, to, new, flags) : move(from, old, to, new, flags);
  int code = errno;
  if (result == 0) {
    /* Into or out of the folder, or an exchange: nothing here can replay that. */
    if (!first || !second || (type == RENAME && flags & ~RENAME_NOREPLACE))
      record(TROUBLE, 0, 0, first ? first : second, NULL, 0, NULL, 0, 0);
    else
      record(type, before.st_ino, 0, first, second, strlen(second), NULL, 0, 0);
  }
  leave();
  errno = code;
  return result;
}

int rename(const char *old, const char *new) { return two(RENAME, AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int from, const char *old, int to, const char *new) { return two(RENAME, from, old, to, new, 0); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
  return two(RENAME, from, old, to, new, flags);
}
int link(const char *old, const char *new) { return two(LINK, AT_FDCWD, old, AT_FDCWD, new, 0); }
int linkat(int from, const char *old, int to, const char *new, int flags) {
  return two(LINK, from, old, to, new, flags);
}
int symlink(const char *target, const char *path) {
  REAL(symlink);
  char buffer[8192];
  const char *name = log_file < 0 || inside ? NULL : absolute(AT_FDCWD, path, buffer, sizeof buffer);
  if (!name) return real(target, path);
  enter();
  int result = real(target, path), code = errno;
  if (result == 0) record(TROUBLE, 0, 0, name, NULL, 0, NULL, 0, 0);
  leave();
  errno = code;
  return result;
}

/* ---- what leaves by a socket ---- */

/* A socket's port. */
static uint64_t port(const struct sockaddr_storage *address) {
  return ntohs(address->ss_family == AF_INET6 ? ((struct sockaddr_in6 *)address)->sin6_port
                                              : ((struct sockaddr_in *)address)->sin_port);
}

/* The peer: this side's port << 16 | the other's (which alone two connections to two ports may share), or 1 << 32 | process;
   0: no socket, or not connected. */
static uint64_t peer_of(int fd) {
  struct stat info;
  if (log_file < 0 || fstat(fd, &info) || !S_ISSOCK(info.st_mode)) return 0;
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  if (getpeername(fd, (struct sockaddr *)&peer, &length)) return 0;
  if (peer.ss_family == AF_INET || peer.ss_family == AF_INET6) {
    struct sockaddr_storage own;
    length = sizeof own;
    return getsockname(fd, (struct sockaddr *)&own, &length) ? 0 : port(&own) << 16 | port(&peer);
  }
  struct ucred who;
  length = sizeof who;
  if (peer.ss_family == AF_UNIX && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length))
    return (uint64_t)1 << 32 | (uint32_t)who.pid;
  return 0;
}

#define SENDING(fd, call) \
  uint64_t peer = inside ? 0 : peer_of(fd); \
  if (!peer) return call; \
  enter(); \
  ssize_t result = call; \
  int code = errno; \
  if (result > 0) record(SEND, peer, result, NULL, NULL, 0, NULL, 0, 0); \
  leave(); \
  errno = code; \
  return result;

ssize_t send(int fd, const void *bytes, size_t count, int flags) {
  REAL(send);
  SENDING(fd, real(fd, bytes, count, flags))
}
ssize_t sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *to, socklen_t length) {
  REAL(sendto);
  SENDING(fd, real(fd, bytes, count, flags, to, length))
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  REAL(sendmsg);
  SENDING(fd, real(fd, message, flags))
}

/* ---- data ---- */

/* What was just written, read back: for calls that don't hold it in memory, and for the place of a plain write. */
static void read_back(int fd, ino_t inode, const char *name, off_t offset, ssize_t count) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  REAL(open);
  int again = real(link, O_RDONLY | O_CLOEXEC);
  char *bytes = malloc(count);
  if (again < 0 || !bytes || pread(again, bytes, count, offset) != count) {
    record(TROUBLE, inode, 0, name, NULL, 0, NULL, 0, 0);
  } else {
    struct iovec piece = {bytes, count};
    record(WRITE, inode, offset, name, NULL, 0, &piece, 1, count);
  }
  free(bytes);
  if (again >= 0) close(again);
}

#define WRITING(fd, call, pieces, number, at) \
  char buffer[8192]; \
  struct stat info; \
  const char *name = inside ? NULL : path_of(fd, &info, buffer, sizeof buffer); \
  if (!name) return call; \
  enter(); \
  ssize_t result = call; \
  int code = errno; \
  if (result > 0) record(WRITE, info.st_ino, at, name, NULL, 0, pieces, number, result); \
  leave(); \
  errno = code; \
  return result;

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  REAL(pwrite);
  struct iovec piece = {(void *)bytes, count};
  WRITING(fd, real(fd, bytes, count, offset), &piece, 1, offset)
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  REAL(pwrite64);
  struct iovec piece = {(void *)bytes, count};
  WRITING(fd, real(fd, bytes, count, offset), &piece, 1, offset)
}
ssize_t pwritev(int fd, const struct iovec *pieces, int number, off_t offset) {
  REAL(pwritev);
  WRITING(fd, real(fd, pieces, number, offset), pieces, number, offset)
}
ssize_t pwritev64(int fd, const struct iovec *pieces, int number, off64_t offset) {
  REAL(pwritev64);
  WRITING(fd, real(fd, pieces, number, offset), pieces, number, offset)
}
/* After the call the file's own position is behind what was written, appending or not. */
static ssize_t written(int fd, const struct iovec *pieces, int number) {
  REAL(writev);
  WRITING(fd, real(fd, pieces, number), pieces, number, lseek(fd, 0, SEEK_CUR) - result)
}
static ssize_t sent(int fd, const struct iovec *pieces, int number) {
  REAL(writev);
  SENDING(fd, real(fd, pieces, number))
}
ssize_t writev(int fd, const struct iovec *pieces, int number) {
  struct stat info;
  if (!inside && log_file >= 0 && !fstat(fd, &info) && S_ISSOCK(info.st_mode)) return sent(fd, pieces, number);
  return written(fd, pieces, number);
}
ssize_t write(int fd, const void *bytes, size_t count) {
  struct iovec piece = {(void *)bytes, count};
  return writev(fd, &piece, 1);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
  REAL(copy_file_range);
  char buffer[8192];
  struct stat info;
  const char *name = inside ? NULL : path_of(out, &info, buffer, sizeof buffer);
  if (!name) return real(in, from, out, to, count, flags);
  enter();
  ssize_t result = real(in, from, out, to, count, flags);
  int code = errno;
  if (result > 0) read_back(out, info.st_ino, name, (to ? *to : lseek(out, 0, SEEK_CUR)) - result, result);
  leave();
  errno = code;
  return result;
}
ssize_t sendfile(int out, int in, off_t *from, size_t count) {
  REAL(sendfile);
  char buffer[8192];
  struct stat info;
  const char *name = inside ? NULL : path_of(out, &info, buffer, sizeof buffer);
  if (!name) {
    SENDING(out, real(out, in, from, count))
  }
  enter();
  ssize_t result = real(out, in, from, count);
  int code = errno;
  if (result > 0) read_back(out, info.st_ino, name, lseek(out, 0, SEEK_CUR) - result, result);
  leave();
  errno = code;
  return result;
}

#define RESIZING(call) \
  char buffer[8192]; \
  struct stat info; \
  const char *name = inside ? NULL : path_of(fd, &info, buffer, sizeof buffer); \
  if (!name) return call; \
  enter(); \
  int result = call, code = errno; \
  if (result == 0 && !fstat(fd, &info)) record(TRUNCATE, info.st_ino, info.st_size, name, NULL, 0, NULL, 0, 0); \
  leave(); \
  errno = code; \
  return result;

int ftruncate(int fd, off_t size) {
  REAL(ftruncate);
  RESIZING(real(fd, size))
}
int ftruncate64(int fd, off64_t size) {
  REAL(ftruncate64);
  RESIZING(real(fd, size))
}
int posix_fallocate(int fd, off_t offset, off_t length) {
  REAL(posix_fallocate);
  RESIZING(real(fd, offset, length))
}
int truncate(const char *path, off_t size) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  int result = ftruncate(fd, size), code = errno;
  close(fd);
  errno = code;
  return result;
}

/* What the replay does not know must not happen unseen. */
#define FORBIDDEN(call) \
  char buffer[8192]; \
  struct stat info; \
  const char *name = inside ? NULL : path_of(fd, &info, buffer, sizeof buffer); \
  if (name) { \
    enter(); \
    record(TROUBLE, info.st_ino, 0, name, NULL, 0, NULL, 0, 0); \
    leave(); \
  } \
  return call;

int fallocate(int fd, int mode, off_t offset, off_t length) {
  REAL(fallocate);
  FORBIDDEN(real(fd, mode, offset, length))
}
static void *mapped(int fd, void *result, int protection, int flags) {
  char buffer[8192];
  struct stat info;
  if (inside || fd < 0 || !(flags & MAP_SHARED) || !(protection & PROT_WRITE)) return result;
  const char *name = path_of(fd, &info, buffer, sizeof buffer);
  size_t length = name ? strlen(name) : 0;
  if (name && !(length > 4 && !strcmp(name + length - 4, "-shm"))) {
    enter();
    record(TROUBLE, info.st_ino, 0, name, NULL, 0, NULL, 0, 0);
    leave();
  }
  return result;
}
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  REAL(mmap);
  return mapped(fd, real(address, length, protection, flags, fd, offset), protection, flags);
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  REAL(mmap64);
  return mapped(fd, real(address, length, protection, flags, fd, offset), protection, flags);
}

/* ---- syncs ---- */

#define SYNCING(call) \
  char buffer[8192]; \
  struct stat info; \
  uint64_t stack[48]; \
  const char *name = inside ? NULL : path_of(fd, &info, buffer, sizeof buffer); \
  if (!name) return call; \
  uint32_t length = frames(stack); \
  enter(); \
  int result = call, code = errno; \
  if (result == 0) \
    record(S_ISDIR(info.st_mode) ? SYNCDIR : FSYNC, info.st_ino, 0, name, stack, length, NULL, 0, 0); \
  leave(); \
  errno = code; \
  return result;

int fsync(int fd) {
  REAL(fsync);
  SYNCING(real(fd))
}
int fdatasync(int fd) {
  REAL(fdatasync);
  SYNCING(real(fd))
}
/* sync_file_range promises nothing about a file's size or a disk's cache, so it makes nothing durable here. syncfs and
   sync would hide every sync that is missing, so nothing under the folder may call them. */
int syncfs(int fd) {
  REAL(syncfs);
  FORBIDDEN(real(fd))
}
