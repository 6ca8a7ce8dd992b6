// A libcuda.so.1 without a GPU, for tests: the calls that the device path makes, with the kernels run by their
// emulation. It is strict where a driver is: a context must be current on the calling thread, functions and
// their number of parameters come from the PTX that was loaded, and copies stay within allocated memory.
//
//   g++ -O2 -shared -fPIC -o DIR/libcuda.so.1 libcuda.cpp; LD_LIBRARY_PATH=DIR go test -tags cuda ./cuda/...
#include "../../hostemu/kernels.cpp"

#include <map>
#include <string>
#include <vector>

namespace {

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_PTX = 218, INVALID_CONTEXT = 201, NOT_FOUND = 500 };

struct function {
	std::string name;
	unsigned parameters;
};

bool started;
int retained, modules;
thread_local void *current;
thread_local std::vector<void *> stack; // below current
std::map<std::string, function> functions; // of the loaded module
std::map<uint64_t, size_t> blocks;
size_t used;
const size_t total = size_t(4) << 30;
char context, module;

// misuse is what stops a call: the driver not started, or no living context on this thread.
int misuse() { return !started ? NOT_INITIALIZED : !retained || current != &context ? INVALID_CONTEXT : OK; }

bool inside(uint64_t at, size_t bytes) {
	auto b = blocks.upper_bound(at);
	return b != blocks.begin() && (--b, at + bytes <= b->first + b->second);
}

} // namespace

#define CHECK \
	if (int code = misuse()) return code

extern "C" {

int cuInit(unsigned) { return started = true, OK; }
int cuDriverGetVersion(int *v) { return *v = 12060, OK; }
int cuDeviceGetCount(int *n) { return *n = 1, OK; }
int cuDeviceGet(int *d, int i) { return *d = i, i == 0 ? OK : INVALID_VALUE; }
int cuDeviceGetName(char *name, int n, int) { return strncpy(name, "emulated GPU", n), OK; }
int cuDeviceGetAttribute(int *v, int attribute, int) { return *v = attribute == 75 ? 7 : 2, OK; } // 75: major, 16: multiprocessors
int cuDevicePrimaryCtxRetain(void **c, int) { return retained++, *c = &context, OK; }
int cuDevicePrimaryCtxRelease_v2(int) {
	if (!retained) return INVALID_CONTEXT;
	retained--;
	return OK;
}
int cuCtxSetCurrent(void *c) { return current = c, OK; }
int cuCtxPushCurrent_v2(void *c) { return stack.push_back(current), current = c, OK; }
int cuCtxPopCurrent_v2(void **c) {
	if (stack.empty()) return INVALID_CONTEXT;
	*c = current;
	current = stack.back();
	return stack.pop_back(), OK;
}

int cuModuleLoadData(void **m, const void *image) {
	CHECK;
	const std::string text = static_cast<const char *>(image), entry = ".visible .entry ";
	functions.clear();
	for (size_t at = text.find(entry); at != std::string::npos; at = text.find(entry, at)) {
		at += entry.size();
		const size_t open = text.find('(', at), close = text.find(')', at);
		function f = {text.substr(at, open - at), 0};
		for (size_t p = text.find(".param", open); p < close; p = text.find(".param", p + 1)) f.parameters++;
		functions[f.name] = f;
	}
	modules++;
	*m = &module;
	return functions.empty() ? INVALID_PTX : OK;
}
int cuModuleUnload(void *) {
	CHECK;
	return modules-- > 0 ? OK : INVALID_VALUE;
}
int cuModuleGetFunction(void **f, void *, const char *name) {
	CHECK;
	auto found = functions.find(name);
	if (found == functions.end()) return NOT_FOUND;
	*f = &found->second;
	return OK;
}

int cuMemGetInfo_v2(size_t *free, size_t *all) {
	CHECK;
	*free = total - used;
	*all = total;
	return OK;
}
int cuMemAlloc_v2(uint64_t *at, size_t bytes) {
	CHECK;
	if (bytes == 0) return INVALID_VALUE;
	if (bytes > total - used) return OUT_OF_MEMORY;
	char *p = new char[bytes];
	memset(p, 0xa5, bytes);
	blocks[*at = reinterpret_cast<uint64_t>(p)] = bytes;
	used += bytes;
	return OK;
}
int cuMemFree_v2(uint64_t at) {
	CHECK;
	auto b = blocks.find(at);
	if (b == blocks.end()) return INVALID_VALUE;
	used -= b->second;
	blocks.erase(b);
	delete[] reinterpret_cast<char *>(at);
	return OK;
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
	CHECK;
	if (!inside(to, bytes)) return INVALID_VALUE;
	memcpy(reinterpret_cast<void *>(to), from, bytes);
	return OK;
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
	CHECK;
	if (!inside(from, bytes)) return INVALID_VALUE;
	memcpy(to, reinterpret_cast<void *>(from), bytes);
	return OK;
}

// Page-locked memory counts as any other, so that what is not freed is missing.
int cuMemHostAlloc(void **at, size_t bytes, unsigned flags) {
	uint64_t address;
	if (flags != 1) return INVALID_VALUE; // for all contexts
	if (int code = cuMemAlloc_v2(&address, bytes)) return code;
	return *at = reinterpret_cast<void *>(address), OK;
}
int cuMemFreeHost(void *at) { return cuMemFree_v2(reinterpret_cast<uint64_t>(at)); }

int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned,
                   void *, void **parameters, void **) {
	CHECK;
	const function *call = static_cast<function *>(f);
	if (gx == 0 || bx == 0 || bx > 1024 || gy * gz * by * bz != 1) return INVALID_VALUE;
	uint64_t slots[16];
	for (unsigned i = 0; i < call->parameters; i++) memcpy(&slots[i], parameters[i], sizeof slots[i]);
	for (unsigned i = gx * bx; i-- > 0;) { // in the order that is least like the Go twin's
		if (emulate(call->name.c_str(), slots, call->parameters, i, gx * bx)) return INVALID_VALUE;
	}
	return OK;
}

} // extern "C"
