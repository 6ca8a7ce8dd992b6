//go:build cuda && linux && amd64

// Page-locked memory, which gorgonia.org/cu does not wrap. A context belongs to a thread, so every call makes the
// first GPU's primary context current, and puts back what was.
#include <dlfcn.h>
#include <stddef.h>

enum { PORTABLE = 1 }; // page-locked for all contexts

typedef struct {
	int (*device)(int *, int), (*retain)(void **, int), (*release)(int);
	int (*push)(void *), (*pop)(void **);
	int (*alloc)(void **, size_t, unsigned), (*free)(void *);
} calls;

static int find(calls *c) {
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD); // by aimsd_cuda_load
	if (!library) return -1;
	*(void **)&c->device = dlsym(library, "cuDeviceGet");
	*(void **)&c->retain = dlsym(library, "cuDevicePrimaryCtxRetain");
	*(void **)&c->release = dlsym(library, "cuDevicePrimaryCtxRelease_v2");
	*(void **)&c->push = dlsym(library, "cuCtxPushCurrent_v2");
	*(void **)&c->pop = dlsym(library, "cuCtxPopCurrent_v2");
	*(void **)&c->alloc = dlsym(library, "cuMemHostAlloc");
	*(void **)&c->free = dlsym(library, "cuMemFreeHost");
	return c->device && c->retain && c->release && c->push && c->pop && c->alloc && c->free ? 0 : -1;
}

// aimsd_cuda_pinned allocates bytes; the context lives as long as they do. 0, -1 without a driver, or its error.
int aimsd_cuda_pinned(void **memory, size_t bytes) {
	calls c;
	int device, code;
	void *context;
	if (find(&c)) return -1;
	if ((code = c.device(&device, 0)) || (code = c.retain(&context, device))) return code;
	if (!(code = c.push(context))) {
		code = c.alloc(memory, bytes, PORTABLE);
		c.pop(&context);
	}
	if (code) c.release(device);
	return code;
}

// aimsd_cuda_unpinned frees what aimsd_cuda_pinned gave.
int aimsd_cuda_unpinned(void *memory) {
	calls c;
	int device, code;
	void *context;
	if (find(&c)) return -1;
	if ((code = c.device(&device, 0)) || (code = c.retain(&context, device))) return code;
	if (!(code = c.push(context))) {
		code = c.free(memory);
		c.pop(&context);
	}
	c.release(device);
	if (!code) c.release(device); // what aimsd_cuda_pinned retained
	return code;
}
