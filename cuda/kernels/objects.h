// Objects: holes filled, and what is measured of each.
#pragma once

// hole_start starts the components of the background: its pixels are their own parents, the rest is -1.
KERNEL(hole_start)(int *__restrict__ parent, const int *__restrict__ label, int n) {
	FOR(i, n) parent[i] = label[i] == 0 ? (int)i : -1;
}

#define SEVERAL -1

// hole_touch finds, for the root of every region of background, the one label that the region touches:
// SEVERAL when there are more or when it reaches the frame's border, 0 when there is none. owner starts at 0.
KERNEL(hole_touch)(int *owner, const int *__restrict__ root, const int *__restrict__ label, int w, int h) {
	FOR(k, w * h) {
		const int i = (int)k;
		if (root[i] < 0) continue;
		int *const mine = &owner[root[i]];
		const int y = i / w, x = i - y * w;
		if (x == 0 || y == 0 || x == w - 1 || y == h - 1) {
			if (load(mine) != SEVERAL) store(mine, SEVERAL);
			continue;
		}
		const int around[4] = {label[i - 1], label[i + 1], label[i - w], label[i + w]};
		for (int j = 0; j < 4; j++) {
			const int l = around[j];
			if (l == 0) continue;
			int now = load(mine);
			if (now == 0) now = atomic_swap_if(mine, 0, l);
			if (now != 0 && now != l && now != SEVERAL) store(mine, SEVERAL);
		}
	}
}

// hole_fill gives every hole to the object around it.
KERNEL(hole_fill)(int *__restrict__ label, const int *__restrict__ owner, const int *__restrict__ root, int n) {
	FOR(i, n) {
		const int r = root[i];
		if (r >= 0 && owner[r] > 0) label[i] = owner[r];
	}
}

// What is known of an object: boxes are half-open, sums are in units of 2^-20, so that they are exact and depend
// on no order. The layout is that of tally in ../device_steps.go.
struct tally {
	long long flow_error, probability, size;
	int area, x0, y0, x1, y1, unused;
};

INLINE tally no_pixels() {
	const tally t = {0, 0, 0, 0, 0x7fffffff, 0x7fffffff, 0, 0, 0};
	return t;
}

KERNEL(object_clear)(tally *t, int count) {
	FOR(i, count) t[i] = no_pixels();
}

// fixed is v in units of 2^-20, limited to -64..64, 0 for NaN.
INLINE long long fixed(float v) {
	v = v > 64.0f ? 64.0f : v < -64.0f ? -64.0f : v == v ? v : 0.0f;
	return (long long)(v * 1048576.0f);
}

// sigmoid is 1/(1+2^t) with t = -x*log2(e) limited to -126..126 (0 for NaN): 2 to the whole part of t by its
// exponent bits, to the rest by a polynomial of degree 5.
INLINE float sigmoid(float x) {
	float t = -x * 1.44269504f;
	t = t > 126.0f ? 126.0f : t < -126.0f ? -126.0f : t == t ? t : 0.0f;
	int n = (int)t;
	if ((float)n > t) n--;
	const float r = t - (float)n;
	const float p = ((((0.0018943794f * r + 0.0089893397f) * r + 0.0558282350f) * r + 0.2401479840f) * r + 0.6931530500f) * r + 1.0f;
	union {
		int bits;
		float value;
	} power = {(n + 127) << 23};
	return 1.0f / (1.0f + p * power.value);
}

// flow_error is the squared distance of a pixel's flow f, in px, from the unit vector along its whole
// displacement u; 0 where that is shorter than 2 px.
INLINE float flow_error(vec u, vec f) {
	const float s = u.y * u.y + u.x * u.x;
	if (!(s >= 4.0f)) return 0.0f;
	const float d = 1.0f / (__builtin_sqrtf(s) + 1e-6f);
	const float ey = f.y - u.y * d, ex = f.x - u.x * d;
	return ey * ey + ex * ex;
}

INLINE void tally_add(tally *to, const tally &t) {
	atomic_add(&to->flow_error, t.flow_error);
	atomic_add(&to->probability, t.probability);
	atomic_add(&to->size, t.size);
	atomic_add(&to->area, t.area);
	atomic_min(&to->x0, t.x0);
	atomic_min(&to->y0, t.y0);
	atomic_max(&to->x1, t.x1);
	atomic_max(&to->y1, t.y1);
}

// object_sum measures every object over its pixels, holes filled; t[l-1] is label l's. k = 1/FlowScale.
KERNEL(object_sum)(tally *t, const int *__restrict__ label, const vec *__restrict__ u, const float *__restrict__ dy,
                   const float *__restrict__ dx, const float *__restrict__ logit, const float *__restrict__ size, float k,
                   int w, int n) {
	FOR(s, (n - 1) / SPAN + 1) {
		const int begin = (int)s * SPAN, end = begin + lesser(SPAN, n - begin);
		int y = begin / w, x = begin - y * w, last = 0;
		tally sum = no_pixels();
		for (int i = begin; i < end; i++) {
			const int l = label[i];
			if (l != last) {
				if (last > 0) tally_add(&t[last - 1], sum);
				sum = no_pixels();
				last = l;
			}
			if (l > 0) {
				if (logit[i] > 0.0f) {
					const vec f = {dy[i] * k, dx[i] * k};
					sum.flow_error += fixed(flow_error(u[i], f));
				}
				sum.probability += fixed(sigmoid(logit[i]));
				sum.size += fixed(size[i]);
				sum.area++;
				sum.x0 = lesser(sum.x0, x);
				sum.y0 = lesser(sum.y0, y);
				sum.x1 = greater(sum.x1, x + 1);
				sum.y1 = greater(sum.y1, y + 1);
			}
			if (++x == w) {
				x = 0;
				y++;
			}
		}
		if (last > 0) tally_add(&t[last - 1], sum);
	}
}
