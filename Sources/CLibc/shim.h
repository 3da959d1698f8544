// glibc and libcrypt calls that the Glibc module leaves out.
#include <crypt.h>
#include <iconv.h>
#include <errno.h>
#include <sys/uio.h>
#include <sys/mman.h>
