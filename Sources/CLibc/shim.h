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
