#include "MallocCount.h"
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_uint_fast64_t count;

uint64_t merpati_mallocs(void) { return atomic_load_explicit(&count, memory_order_relaxed); }

#ifdef __GLIBC__
static void tick(void) { atomic_fetch_add_explicit(&count, 1, memory_order_relaxed); }

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

void *malloc(size_t size)
{
	tick();
	return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
	tick();
	return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
	tick();
	return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
	tick();
	return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	tick();
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	tick();
	*out = __libc_memalign(alignment, size);
	return *out ? 0 : ENOMEM;
}

void free(void *memory) { __libc_free(memory); }
#endif
