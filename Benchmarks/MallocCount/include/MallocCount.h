// Calls of malloc and its kin since the process began, of all threads. Whoever links this has them counted: glibc lets a program have
// its own (https://www.gnu.org/software/libc/manual/html_node/Replacing-malloc.html), and these call glibc's.
#pragma once

#include <stdint.h>

uint64_t merpati_mallocs(void);
