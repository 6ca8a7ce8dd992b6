// Labels: from sinks to components to numbers without gaps.
#pragma once

// label_gather replaces every pixel's sink by the root of the sink's component, -1 where there is none.
KERNEL(label_gather)(int *label, const int *__restrict__ root, int n) {
	FOR(i, n) {
		const int s = label[i];
		if (s >= 0) label[i] = root[s];
	}
}

// kept_count counts, by chunk, the components of least px or more; area is by root.
KERNEL(kept_count)(int *chunk, const int *__restrict__ area, int least, int n) {
	FOR(i, n) {
		if (area[i] >= least) atomic_add(&chunk[i / CHUNK], 1);
	}
}

// scan_sum and scan_add are an exclusive prefix sum in place, level by level: the sums of chunks, and, when those
// are scanned, the values within each chunk. base is the scanned sums, or null for a single chunk.
KERNEL(scan_sum)(int *__restrict__ sum, const int *__restrict__ value, int n) {
	FOR(c, (n - 1) / CHUNK + 1) {
		const int begin = (int)c * CHUNK, end = begin + lesser(CHUNK, n - begin);
		int t = 0;
		for (int i = begin; i < end; i++) t += value[i];
		sum[c] = t;
	}
}
KERNEL(scan_add)(int *__restrict__ value, const int *__restrict__ base, int n) {
	FOR(c, (n - 1) / CHUNK + 1) {
		const int begin = (int)c * CHUNK, end = begin + lesser(CHUNK, n - begin);
		int t = base ? base[c] : 0;
		for (int i = begin; i < end; i++) {
			const int v = value[i];
			value[i] = t;
			t += v;
		}
	}
}

// kept_number numbers the components that are kept from 1 in the order of their roots, 0 elsewhere; chunk holds
// how many come before each chunk.
KERNEL(kept_number)(int *__restrict__ number, const int *__restrict__ area, const int *__restrict__ chunk, int least, int n) {
	FOR(k, n) {
		const int i = (int)k;
		int v = 0;
		if (area[i] >= least) {
			v = chunk[i / CHUNK] + 1;
			for (int j = i - i % CHUNK; j < i; j++) v += area[j] >= least;
		}
		number[i] = v;
	}
}

// label_number replaces every pixel's root by its component's number, and -1 by 0.
KERNEL(label_number)(int *label, const int *__restrict__ number, int n) {
	FOR(i, n) {
		const int root = label[i];
		label[i] = root < 0 ? 0 : number[root];
	}
}
