// What the kernels need of their surroundings, twice: for a GPU (clang without any SDK) and for the CPU (g++).
//
// A kernel is a function over all threads of a launch; FOR gives each its share. Kernels never wait for one
// another: what one launch leaves in memory, the next one reads. Arithmetic is that of IEEE 754 in single
// precision without contraction (-ffp-contract=off), so both builds give the same bits.
#pragma once

#if defined(__CUDA__)

#define KERNEL(name) extern "C" __attribute__((global)) void name
#define INLINE static inline __attribute__((device, always_inline))

INLINE unsigned thread_index() {
	return __nvvm_read_ptx_sreg_ctaid_x() * __nvvm_read_ptx_sreg_ntid_x() + __nvvm_read_ptx_sreg_tid_x();
}
INLINE unsigned thread_count() { return __nvvm_read_ptx_sreg_nctaid_x() * __nvvm_read_ptx_sreg_ntid_x(); }

INLINE int load(const int *p) { return *(const volatile int *)p; }
INLINE void store(int *p, int v) { *(volatile int *)p = v; }
INLINE int atomic_add(int *p, int v) { return __nvvm_atom_add_gen_i(p, v); }
INLINE void atomic_add(long long *p, long long v) { __nvvm_atom_add_gen_ll(p, v); }
INLINE int atomic_min(int *p, int v) { return __nvvm_atom_min_gen_i(p, v); }
INLINE int atomic_max(int *p, int v) { return __nvvm_atom_max_gen_i(p, v); }
INLINE int atomic_swap_if(int *p, int expected, int v) { return __nvvm_atom_cas_gen_i(p, expected, v); }

#else

#define KERNEL(name) extern "C" void name
#define INLINE static inline

// Set for each launch by whoever runs it.
extern thread_local unsigned emulated_index, emulated_count;

INLINE unsigned thread_index() { return emulated_index; }
INLINE unsigned thread_count() { return emulated_count; }

INLINE int load(const int *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
INLINE void store(int *p, int v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
INLINE int atomic_add(int *p, int v) { return __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }
INLINE void atomic_add(long long *p, long long v) { __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }
INLINE int atomic_swap_if(int *p, int expected, int v) {
	__atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return expected;
}
INLINE int atomic_min(int *p, int v) {
	int old = load(p);
	while (old > v && !__atomic_compare_exchange_n(p, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
	}
	return old;
}
INLINE int atomic_max(int *p, int v) {
	int old = load(p);
	while (old < v && !__atomic_compare_exchange_n(p, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
	}
	return old;
}

#endif

// FOR runs its body for i = 0 .. n-1, shared out among the threads of the launch. n may be up to 2^31-1.
#define FOR(i, n) for (unsigned i = thread_index(); i < (unsigned)(n); i += thread_count())
