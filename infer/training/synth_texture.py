"""Random fields of which synthetic micrographs are made: float32 [h, w], mean 0, deviation 1."""

import cv2
import numpy as np


def unit(field):
    """FIELD with mean 0 and deviation 1."""
    field = field - field.mean()
    return (field / (field.std() + 1e-6)).astype(np.float32)


def smooth(rng, h, w, scale, stretch=1.0):
    """White noise interpolated from a lattice of SCALE px (SCALE x STRETCH along x)."""
    rows, cols = int(h / scale) + 3, int(w / (scale * stretch)) + 3
    lattice = rng.standard_normal((rows, cols)).astype(np.float32)
    size = int(cols * scale * stretch) + 1, int(rows * scale) + 1
    big = cv2.resize(lattice, size, interpolation=cv2.INTER_CUBIC)
    y, x = rng.integers(0, big.shape[0] - h + 1), rng.integers(0, big.shape[1] - w + 1)
    return big[y : y + h, x : x + w]


def fractal(rng, h, w, scale, gain=0.55, finest=1.5):
    """Octaves of smooth noise from SCALE px down to FINEST px."""
    total, weight = np.zeros((h, w), np.float32), 1.0
    while scale > finest:
        total += weight * smooth(rng, h, w, scale)
        scale, weight = scale / 2, weight * gain
    return unit(total)


def grainy(rng, h, w, sigma):
    """White noise blurred by SIGMA px: amorphous films, out-of-focus phase contrast."""
    noise = rng.standard_normal((h, w)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), sigma)
    if rng.random() < 0.5:  # band-pass, as an under-focused film
        soft = soft - cv2.GaussianBlur(noise, (0, 0), sigma * 1.6)
    return unit(soft)


def ridged(rng, h, w, scale):
    """Creases between smooth cushions."""
    return unit(-np.abs(fractal(rng, h, w, scale, 0.4)))


def brushed(rng, h, w):
    """Fine parallel lines at a random angle: polishing, rolling, milling."""
    side = int(np.hypot(h, w)) + 8
    lines = smooth(rng, side, side, rng.uniform(1.2, 5), rng.uniform(15, 80))
    lines = lines + 0.5 * smooth(rng, side, side, rng.uniform(3, 12), rng.uniform(8, 30))
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(0, 180), 1)
    lines = cv2.warpAffine(lines, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    y, x = (side - h) // 2, (side - w) // 2
    return unit(lines[y : y + h, x : x + w])


def pitted(rng, h, w):
    """Small bumps and holes on a fairly even ground."""
    spots = np.zeros((h, w), np.float32)
    count = int(h * w * 10 ** rng.uniform(-4, -2.3))
    spots[rng.integers(0, h, count), rng.integers(0, w, count)] = rng.normal(0, 1, count)
    s = rng.uniform(0.8, 3)
    return unit(unit(cv2.GaussianBlur(spots, (0, 0), s)) + 0.3 * fractal(rng, h, w, 30))


def pebbled(rng, h, w, pitch):
    """Round bumps side by side, PITCH px apart: grown or sintered surfaces."""
    far = np.ones((h, w), np.uint8)
    count = max(int(h * w / pitch**2), 4)
    far[rng.integers(0, h, count), rng.integers(0, w, count)] = 0
    distance = cv2.distanceTransform(far, cv2.DIST_L2, 5)
    return unit(np.sqrt(np.maximum((0.8 * pitch) ** 2 - distance**2, 0)))


KINDS = ("fractal", "grainy", "ridged", "brushed", "pitted", "smooth", "pebbled")
SHARES = (0.3, 0.2, 0.1, 0.06, 0.14, 0.1, 0.1)


def one_texture(rng, h, w):
    kind = rng.choice(KINDS, p=SHARES)
    if kind == "fractal":
        scale = np.exp(rng.uniform(np.log(6), np.log(120)))
        return fractal(rng, h, w, scale, rng.uniform(0.4, 0.8))
    if kind == "grainy":
        return grainy(rng, h, w, rng.uniform(0.6, 1.8))
    if kind == "ridged":
        return ridged(rng, h, w, np.exp(rng.uniform(np.log(5), np.log(40))))
    if kind == "brushed":
        return brushed(rng, h, w)
    if kind == "pitted":
        return pitted(rng, h, w)
    if kind == "pebbled":
        return pebbled(rng, h, w, rng.uniform(4, 14))
    return unit(smooth(rng, h, w, rng.uniform(2, 12), rng.uniform(0.5, 2)))


def any_texture(rng, h, w):
    """One of the textures above, or a mixture of two."""
    first = one_texture(rng, h, w)
    if rng.random() < 0.5:
        return first
    return unit(first + rng.uniform(0.3, 1) * one_texture(rng, h, w))
