// How glibc's allocator is set up; the Glibc module leaves it out.
#ifdef __linux__
#include <malloc.h>
#endif
