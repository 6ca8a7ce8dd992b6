// Flow squaring: k passes compose the displacement with itself, so that every pixel has followed the
// flow for 2^k unit steps. The same pixel dynamics the product uses, kept small for evaluation here.

#include <stdlib.h>
#include <string.h>

// bilinear samples u and v (H x W) at row a, column b, clamped to the frame.
static inline void bilinear(const float *u, const float *v, int H, int W, float a, float b, float *ou, float *ov) {
    if (a < 0) a = 0;
    if (b < 0) b = 0;
    if (a > H - 1) a = H - 1;
    if (b > W - 1) b = W - 1;
    int ia = (int)a, ib = (int)b;
    if (ia > H - 2) ia = H - 2;
    if (ib > W - 2) ib = W - 2;
    float p = a - ia, q = b - ib;
    size_t o = (size_t)ia * W + ib;
    float w00 = (1 - p) * (1 - q), w01 = (1 - p) * q, w10 = p * (1 - q), w11 = p * q;
    *ou = u[o] * w00 + u[o + 1] * w01 + u[o + W] * w10 + u[o + W + 1] * w11;
    *ov = v[o] * w00 + v[o + 1] * w01 + v[o + W] * w10 + v[o + W + 1] * w11;
}

static void swap(float **a, float **b) {
    float *t = *a;
    *a = *b;
    *b = t;
}

// squaring: fy, fx are the unit flow (zero outside m), m the foreground, all H x W (at least 2 x 2).
// py, px receive each foreground pixel's end position, rounded (-1 in the background); dy, dx its
// displacement (left as they are in the background).
void squaring(const float *fy, const float *fx, const unsigned char *m, int H, int W, int k, int *py, int *px,
              float *dy, float *dx) {
    size_t n = (size_t)H * W;
    float *u = malloc(n * sizeof *u), *v = malloc(n * sizeof *v);
    float *u2 = malloc(n * sizeof *u2), *v2 = malloc(n * sizeof *v2);
    if (!u || !v || !u2 || !v2) abort();
    memcpy(u, fy, n * sizeof *u);
    memcpy(v, fx, n * sizeof *v);
    for (int pass = 0; pass < k; pass++) {
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                size_t o = (size_t)y * W + x;
                if (!m[o]) {
                    u2[o] = v2[o] = 0;
                    continue;
                }
                float a, b;
                bilinear(u, v, H, W, y + u[o], x + v[o], &a, &b);
                u2[o] = u[o] + a;
                v2[o] = v[o] + b;
            }
        swap(&u, &u2);
        swap(&v, &v2);
    }
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            size_t o = (size_t)y * W + x;
            if (!m[o]) {
                py[o] = px[o] = -1;
                continue;
            }
            float a = y + u[o], b = x + v[o];
            if (a < 0) a = 0;
            if (b < 0) b = 0;
            if (a > H - 1) a = H - 1;
            if (b > W - 1) b = W - 1;
            py[o] = (int)(a + .5f);
            px[o] = (int)(b + .5f);
            dy[o] = u[o];
            dx[o] = v[o];
        }
    free(u);
    free(v);
    free(u2);
    free(v2);
}
