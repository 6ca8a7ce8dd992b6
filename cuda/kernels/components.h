// Connected components: a union-find forest over pixels, parent[i] <= i, -1 where a pixel belongs to none. Roots
// are the smallest index of their component when all is merged, so the result depends on no order (merging by
// atomic minimum as in Playne and Hawick, IEEE Trans. Parallel Distrib. Syst. 29(6), 2018, for whole frames).
// Threads may read a parent that is no longer the latest: it is an ancestor all the same.
#pragma once

// root_of finds i's root and shortens the path on the way.
INLINE int root_of(int *parent, int i) {
	int p = load(&parent[i]);
	while (p != i) {
		const int above = load(&parent[p]);
		if (above != p) store(&parent[i], above);
		i = p;
		p = above;
	}
	return i;
}

INLINE void merge(int *parent, int a, int b) {
	for (;;) {
		a = root_of(parent, a);
		b = root_of(parent, b);
		if (a == b) return;
		if (a < b) {
			const int t = a;
			a = b;
			b = t;
		}
		const int old = atomic_min(&parent[a], b);
		if (old == a) return;
		a = old; // somebody else has hung a on old: go on from there
	}
}

// union_heads hangs every pixel of a stretch within a row and a span on the first.
KERNEL(union_heads)(int *parent, int w, int n) {
	FOR(s, (n - 1) / SPAN + 1) {
		const int begin = (int)s * SPAN, end = begin + lesser(SPAN, n - begin);
		int x = begin % w, head = -1;
		for (int i = begin; i < end; i++) {
			if (parent[i] < 0) {
				head = -1;
			} else if (head < 0 || x == 0) {
				head = i;
			} else {
				parent[i] = head;
			}
			if (++x == w) x = 0;
		}
	}
}

// union_merge joins what union_heads left apart: stretches of a row at the borders of spans, and rows. With
// diagonal != 0 pixels touch by their corners too. A link that follows from two others is left out.
KERNEL(union_merge)(int *parent, int w, int h, int diagonal) {
	FOR(k, w * h) {
		const int i = (int)k;
		if (load(&parent[i]) < 0) continue;
		const int y = i / w, x = i - y * w;
		const bool west = x > 0 && load(&parent[i - 1]) >= 0;
		if (west && i % SPAN == 0) merge(parent, i, i - 1);
		if (y == 0) continue;
		const bool north = load(&parent[i - w]) >= 0;
		const bool northwest = x > 0 && load(&parent[i - w - 1]) >= 0;
		if (north) {
			if (!(west && northwest)) merge(parent, i, i - w);
		} else if (diagonal) {
			if (northwest && !west) merge(parent, i, i - w - 1);
			if (x + 1 < w && load(&parent[i - w + 1]) >= 0) merge(parent, i, i - w + 1);
		}
	}
}

// union_flatten replaces every parent by the root.
KERNEL(union_flatten)(int *parent, int n) {
	FOR(i, n) {
		if (load(&parent[i]) >= 0) store(&parent[i], root_of(parent, (int)i));
	}
}
