//go:build cuda && linux && amd64

// Our own libcuda: every function that gorgonia.org/cu refers to is a jump through a table, which
// aimsd_cuda_load fills from the driver's libcuda.so.1. So one program runs with a driver and without: the
// library is no dependency of the binary, and nothing touches the driver before the first device is opened.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define COUNT 160
#define HIDDEN __attribute__((visibility("hidden")))
enum { CUDA_OK = 0, CUDA_NO_DEVICE = 100 };

static const char *const names[] = {
#define FUNCTION(index, name) [index] = #name,
#include "functions.h"
#undef FUNCTION
};
_Static_assert(sizeof names / sizeof *names == COUNT, "COUNT is the length of functions.h");

static int no_device(void) { return CUDA_NO_DEVICE; }

HIDDEN void *aimsd_cuda_table[COUNT] = {[0 ... COUNT - 1] = (void *)no_device};

#define FUNCTION(index, name)                                                     \
	__asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n" \
	        "\tjmp *aimsd_cuda_table+8*" #index "(%rip)\n");
#include "functions.h"
#undef FUNCTION

static int (*real_init)(unsigned), (*real_count)(int *);
static int started;

// cuInit succeeds always: cu calls it when the program starts, and would end the program otherwise.
int cuInit(unsigned flags) { return CUDA_OK; }

int cuDeviceGetCount(int *count) {
	*count = 0;
	return started ? real_count(count) : CUDA_OK;
}

static int load(char *why, size_t size) {
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		const char *error = dlerror();
		snprintf(why, size, "no CUDA driver: %s",
		         error && !strstr(error, "cannot open shared object file: No such file") ? error : "libcuda.so.1 not found");
		return -1;
	}
	real_init = dlsym(library, "cuInit");
	real_count = dlsym(library, "cuDeviceGetCount");
	if (!real_init || !real_count) {
		snprintf(why, size, "libcuda.so.1 is no CUDA driver: cuInit or cuDeviceGetCount is missing");
		return -1;
	}
	for (size_t i = 0; i < COUNT; i++) {
		void *f = dlsym(library, names[i]);
		if (f) aimsd_cuda_table[i] = f;
	}
	int code = real_init(0);
	if (code == CUDA_NO_DEVICE) {
		snprintf(why, size, "no CUDA device: the driver is installed but finds none");
		return -1;
	}
	if (code != CUDA_OK) {
		snprintf(why, size, "the CUDA driver does not start: cuInit gives error %d", code);
		return -1;
	}
	started = 1;
	return 0;
}

// aimsd_cuda_load finds the driver and starts it, once: 0, or -1 with why.
int aimsd_cuda_load(char *why, size_t size) {
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&lock);
	int code = started ? 0 : load(why, size);
	pthread_mutex_unlock(&lock);
	return code;
}
