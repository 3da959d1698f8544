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
int pthread_setname_np(unsigned long thread, const char *name);
#endif
