// Pixel dynamics: from a flow field to labels and their measures. The launches and their order are in
// ../device_steps.go; the Go twin (../square.go and its neighbours) gives the same bits. Planes are row-major,
// w*h = n pixels, indices are 32 bits; every step is linear in pixels.
#include "portable.h"

// SPAN pixels in a row of memory are one thread's where neighbours mostly go to the same counter.
#define SPAN 16
// CHUNK values are one thread's in a scan.
#define CHUNK 256

struct vec { float y, x; };

// limit is v within 0..hi, and 0 for NaN, so that a broken field cannot index outside the frame.
INLINE float limit(float v, float hi) { return v >= hi ? hi : v > 0.0f ? v : 0.0f; }

INLINE int lesser(int a, int b) { return a < b ? a : b; }
INLINE int greater(int a, int b) { return a > b ? a : b; }

KERNEL(clear)(int *p, int n) {
	FOR(i, n) p[i] = 0;
}

// flow_start is the displacement of one step, in px: the flow times k = 1/FlowScale, zero in the background.
KERNEL(flow_start)(vec *__restrict__ u, const float *__restrict__ dy, const float *__restrict__ dx,
                   const float *__restrict__ logit, float k, int n) {
	FOR(i, n) {
		vec v = {0.0f, 0.0f};
		if (logit[i] > 0.0f) {
			v.y = dy[i] * k;
			v.x = dx[i] * k;
		}
		u[i] = v;
	}
}

// flow_square composes src with itself: dst(p) = src(p) + src(p + src(p)), bilinear, positions limited to the
// frame, zero in the background.
KERNEL(flow_square)(vec *__restrict__ dst, const vec *__restrict__ src, const float *__restrict__ logit, int w, int h) {
	const float hy = (float)(h - 1), hx = (float)(w - 1);
	FOR(i, w * h) {
		vec out = {0.0f, 0.0f};
		if (logit[i] > 0.0f) {
			const vec v = src[i];
			const int row = (int)i / w;
			const float y = limit((float)row + v.y, hy), x = limit((float)((int)i - row * w) + v.x, hx);
			const int iy = lesser((int)y, h - 2), ix = lesser((int)x, w - 2);
			const float p = y - (float)iy, q = x - (float)ix;
			const vec *a = src + (iy * w + ix), *b = a + w;
			const float w00 = (1.0f - p) * (1.0f - q), w01 = (1.0f - p) * q, w10 = p * (1.0f - q), w11 = p * q;
			const vec a0 = a[0], a1 = a[1], b0 = b[0], b1 = b[1];
			out.y = v.y + (a0.y * w00 + a1.y * w01 + b0.y * w10 + b1.y * w11);
			out.x = v.x + (a0.x * w00 + a1.x * w01 + b0.x * w10 + b1.x * w11);
		}
		dst[i] = out;
	}
}

// sink_find gives every foreground pixel the index of the pixel that its flow ends in, -1 elsewhere.
KERNEL(sink_find)(int *__restrict__ sink, const vec *__restrict__ u, const float *__restrict__ logit, int w, int h) {
	const float hy = (float)(h - 1), hx = (float)(w - 1);
	FOR(i, w * h) {
		int s = -1;
		if (logit[i] > 0.0f) {
			const vec v = u[i];
			const int row = (int)i / w;
			const int y = (int)(limit((float)row + v.y, hy) + 0.5f);
			const int x = (int)(limit((float)((int)i - row * w) + v.x, hx) + 0.5f);
			s = lesser(y, h - 1) * w + lesser(x, w - 1);
		}
		sink[i] = s;
	}
}

// count_by counts pixels by key (an index of count): sinks by pixel, area by component. Keys below 0 do not count.
KERNEL(count_by)(int *count, const int *__restrict__ key, int n) {
	FOR(s, (n - 1) / SPAN + 1) {
		const int begin = (int)s * SPAN, end = begin + lesser(SPAN, n - begin);
		int last = -1, run = 0;
		for (int i = begin; i < end; i++) {
			const int k = key[i];
			if (k == last) {
				run++;
				continue;
			}
			if (last >= 0) atomic_add(&count[last], run);
			last = k;
			run = 1;
		}
		if (last >= 0) atomic_add(&count[last], run);
	}
}

// sink_dilate starts the components of sinks: a pixel within one px of another in which least flows end is
// its own parent, the rest is -1.
KERNEL(sink_dilate)(int *__restrict__ parent, const int *__restrict__ count, int least, int w, int h) {
	FOR(i, w * h) {
		const int y = (int)i / w, x = (int)i - y * w;
		const int x0 = greater(x - 1, 0), x1 = lesser(x + 1, w - 1);
		int found = -1;
		for (int yy = greater(y - 1, 0); yy <= lesser(y + 1, h - 1); yy++) {
			for (int xx = x0; xx <= x1; xx++) {
				if (count[yy * w + xx] >= least) found = (int)i;
			}
		}
		parent[i] = found;
	}
}

#include "components.h"
#include "labels.h"
#include "objects.h"
