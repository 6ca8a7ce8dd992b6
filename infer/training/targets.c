// Flow targets: for every object the direction toward its centre, by heat diffusion.
//
// A unit of heat enters at the object's pixel nearest its centroid in every step and spreads over the
// 3x3 neighbourhood inside the object; the gradient of log(1 + T) points to the centre along paths that
// stay inside the object, however bent it is. The idea is Cellpose's (Stringer et al. 2021,
// doi:10.1038/s41592-020-01018-x); the code is our own.

#include <math.h>
#include <stdlib.h>

enum { MAX_STEPS = 1600 };

typedef struct { int y0, x0, y1, x1; } box; // inclusive; y1 < 0: no pixel

// diffuse runs the steps over an h x w window (one pixel of margin) and leaves the temperature in *t.
static void diffuse(double **t, double **next, const unsigned char *mask, int h, int w, int cy, int cx) {
    int steps = 2 * (h + w);
    if (steps > MAX_STEPS) steps = MAX_STEPS;
    for (int k = 0; k < steps; k++) {
        double *T = *t, *U = *next;
        T[cy * w + cx] += 1;
        for (int y = 1; y < h - 1; y++)
            for (int x = 1; x < w - 1; x++) {
                int i = y * w + x;
                if (mask[i])
                    U[i] = (T[i] + T[i - 1] + T[i + 1] + T[i - w] + T[i + w] + T[i - w - 1] + T[i - w + 1] +
                            T[i + w - 1] + T[i + w + 1]) / 9.;
            }
        *t = U;
        *next = T;
    }
}

static void object_flow(const int *lab, int W, int l, box b, float *fy, float *fx) {
    int h = b.y1 - b.y0 + 3, w = b.x1 - b.x0 + 3;
    double *T = calloc((size_t)h * w, sizeof *T), *U = calloc((size_t)h * w, sizeof *U);
    unsigned char *mask = calloc((size_t)h * w, 1);
    if (!T || !U || !mask) abort();

    double my = 0, mx = 0;
    long count = 0;
    for (int y = b.y0; y <= b.y1; y++)
        for (int x = b.x0; x <= b.x1; x++)
            if (lab[y * W + x] == l) {
                mask[(y - b.y0 + 1) * w + x - b.x0 + 1] = 1;
                my += y;
                mx += x;
                count++;
            }
    my /= count;
    mx /= count;

    int cy = 0, cx = 0;
    double nearest = 1e18;
    for (int y = b.y0; y <= b.y1; y++)
        for (int x = b.x0; x <= b.x1; x++)
            if (lab[y * W + x] == l) {
                double d = (y - my) * (y - my) + (x - mx) * (x - mx);
                if (d < nearest) {
                    nearest = d;
                    cy = y - b.y0 + 1;
                    cx = x - b.x0 + 1;
                }
            }

    diffuse(&T, &U, mask, h, w, cy, cx);
    for (int i = 0; i < h * w; i++) T[i] = log(1 + T[i]);
    for (int y = 1; y < h - 1; y++)
        for (int x = 1; x < w - 1; x++) {
            int i = y * w + x;
            if (!mask[i]) continue;
            double dy = T[i + w] - T[i - w], dx = T[i + 1] - T[i - 1];
            double norm = sqrt(dy * dy + dx * dx) + 1e-20;
            int o = (y + b.y0 - 1) * W + x + b.x0 - 1;
            fy[o] = dy / norm;
            fx[o] = dx / norm;
        }
    free(T);
    free(U);
    free(mask);
}

// label_flows: lab is H x W with ids 1..n (0 background); fy, fx are H x W, zero on entry, and receive
// unit vectors inside the objects.
void label_flows(const int *lab, int H, int W, int n, float *fy, float *fx) {
    box *boxes = malloc((size_t)(n + 1) * sizeof *boxes);
    if (!boxes) abort();
    for (int i = 0; i <= n; i++) boxes[i] = (box){H, W, -1, -1};
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            int l = lab[y * W + x];
            if (l <= 0 || l > n) continue;
            box *b = &boxes[l];
            if (y < b->y0) b->y0 = y;
            if (y > b->y1) b->y1 = y;
            if (x < b->x0) b->x0 = x;
            if (x > b->x1) b->x1 = x;
        }
    for (int l = 1; l <= n; l++)
        if (boxes[l].y1 >= 0) object_flow(lab, W, l, boxes[l], fy, fx);
    free(boxes);
}
