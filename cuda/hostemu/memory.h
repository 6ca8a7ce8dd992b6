// Memory by address, so that Go handles numbers only.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t memory_new(size_t bytes) {
	void *p = malloc(bytes);
	if (p) memset(p, 0xa5, bytes); // a device does not clear it either
	return (uint64_t)(uintptr_t)p;
}
static inline void memory_free(uint64_t at) { free((void *)(uintptr_t)at); }
static inline void memory_put(uint64_t at, const void *from, size_t bytes) { memcpy((void *)(uintptr_t)at, from, bytes); }
static inline void memory_get(void *to, uint64_t at, size_t bytes) { memcpy(to, (const void *)(uintptr_t)at, bytes); }
