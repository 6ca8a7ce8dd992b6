// The kernels' own text, compiled for the CPU, and a way to call them by name.
#include <cstdint>
#include <cstring>

// No fused multiply-add; cgo does not take the flag.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

thread_local unsigned emulated_index, emulated_count;
#include "flow.h"

namespace {

template <class T> T argument(uint64_t slot) {
	T value;
	static_assert(sizeof value <= sizeof slot, "an argument is an address or 32 bits");
	memcpy(&value, &slot, sizeof value);
	return value;
}

template <unsigned... i> struct indices {};
template <unsigned n, unsigned... i> struct up_to : up_to<n - 1, n - 1, i...> {};
template <unsigned... i> struct up_to<0, i...> { using type = indices<i...>; };

template <class... T, unsigned... i> void apply(void (*kernel)(T...), const uint64_t *args, indices<i...>) {
	kernel(argument<T>(args[i])...);
}

// call is 0, or -1 for the wrong number of arguments.
template <class... T> int call(void (*kernel)(T...), const uint64_t *args, unsigned count) {
	if (count != sizeof...(T)) return -1;
	apply(kernel, args, typename up_to<sizeof...(T)>::type());
	return 0;
}

} // namespace

// emulate runs one thread's share of a kernel: 0, -1 for the wrong number of arguments, -2 for no such kernel.
extern "C" int emulate(const char *name, const uint64_t *args, unsigned count, unsigned index, unsigned threads) {
	emulated_index = index;
	emulated_count = threads;
#define KERNEL_NAMED(kernel) \
	if (!strcmp(name, #kernel)) return call(kernel, args, count)
	KERNEL_NAMED(clear);
	KERNEL_NAMED(flow_start);
	KERNEL_NAMED(flow_square);
	KERNEL_NAMED(sink_find);
	KERNEL_NAMED(count_by);
	KERNEL_NAMED(sink_dilate);
	KERNEL_NAMED(union_heads);
	KERNEL_NAMED(union_merge);
	KERNEL_NAMED(union_flatten);
	KERNEL_NAMED(label_gather);
	KERNEL_NAMED(kept_count);
	KERNEL_NAMED(scan_sum);
	KERNEL_NAMED(scan_add);
	KERNEL_NAMED(kept_number);
	KERNEL_NAMED(label_number);
	KERNEL_NAMED(hole_start);
	KERNEL_NAMED(hole_touch);
	KERNEL_NAMED(hole_fill);
	KERNEL_NAMED(object_clear);
	KERNEL_NAMED(object_sum);
	return -2;
}
