#define _GNU_SOURCE
#include "CProcess.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

int merpati_owner(const char *path, int follows, unsigned *owner, unsigned *mode) {
  struct stat status;
  if ((follows ? stat(path, &status) : lstat(path, &status)) != 0) return -1;
  *owner = status.st_uid;
  *mode = status.st_mode;
  return 0;
}

#ifdef __linux__
int merpati_set_dumpable(int dumpable) { return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }
int merpati_forbid_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
int merpati_setresuid(unsigned real, unsigned effective, unsigned saved) { return setresuid(real, effective, saved); }
int merpati_setresgid(unsigned real, unsigned effective, unsigned saved) { return setresgid(real, effective, saved); }
int merpati_getresuid(unsigned *real, unsigned *effective, unsigned *saved) { return getresuid(real, effective, saved); }
int merpati_getresgid(unsigned *real, unsigned *effective, unsigned *saved) { return getresgid(real, effective, saved); }
#else
int merpati_set_dumpable(int dumpable) { (void)dumpable; errno = ENOSYS; return -1; }
int merpati_forbid_new_privileges(void) { errno = ENOSYS; return -1; }
int merpati_setresuid(unsigned real, unsigned effective, unsigned saved) {
  (void)real, (void)effective, (void)saved;
  errno = ENOSYS;
  return -1;
}
int merpati_setresgid(unsigned real, unsigned effective, unsigned saved) { return merpati_setresuid(real, effective, saved); }
int merpati_getresuid(unsigned *real, unsigned *effective, unsigned *saved) {
  *real = *saved = getuid();
  *effective = geteuid();
  return 0;
}
int merpati_getresgid(unsigned *real, unsigned *effective, unsigned *saved) {
  *real = *saved = getgid();
  *effective = getegid();
  return 0;
}
#endif
