// glibc and libcrypt calls that the Glibc module leaves out.
#include <crypt.h>
#include <iconv.h>
#include <errno.h>
#include <sys/uio.h>
#include <sys/mman.h>

#ifdef __linux__
// Declared by glibc for _GNU_SOURCE alone, which the importer does not set.
int renameat2(int old_directory, const char *old_path, int new_directory, const char *new_path, unsigned int flags);
int sync_file_range(int descriptor, long long offset, long long count, unsigned int flags);
void *memmem(const void *haystack, unsigned long haystack_length, const void *needle, unsigned long needle_length);
#endif

// stat(2) in a form that does not depend on which module the importer finds `struct stat` in first.
#include <sys/stat.h>
static inline int merpati_owner(const char *path, int follows, unsigned *owner, unsigned *mode) {
  struct stat status;
  if ((follows ? stat(path, &status) : lstat(path, &status)) != 0) return -1;
  *owner = status.st_uid;
  *mode = status.st_mode;
  return 0;
}

#ifdef __linux__
// Variadic, or declared for _GNU_SOURCE alone.
#include <sys/prctl.h>
#include <sys/types.h>
static inline int merpati_set_dumpable(int dumpable) { return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }
static inline int merpati_forbid_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
int setresuid(uid_t real, uid_t effective, uid_t saved);
int setresgid(gid_t real, gid_t effective, gid_t saved);
int getresuid(uid_t *real, uid_t *effective, uid_t *saved);
int getresgid(gid_t *real, gid_t *effective, gid_t *saved);
#endif
