"""Fields without objects, of many kinds: all background."""

import cv2
import numpy as np

import synth_texture as texture
from synth_ground import film, ground, scratch


def empty(rng, h, w):
    """Support, film, noise, charging, scratches, steps or folds."""
    kind = rng.choice(["flat", "flat", "ground", "film", "brushed", "folds", "steps", "fog"])
    if kind == "flat":
        img = np.full((h, w), rng.uniform(0.1, 0.8), np.float32)
    elif kind == "ground":
        img = ground(rng, h, w)[0]
    elif kind == "film":
        img = film(rng, h, w, 0)
    elif kind == "brushed":
        img = 0.5 + rng.uniform(0.02, 0.2) * texture.brushed(rng, h, w)
    elif kind == "folds":
        img = 0.5 + rng.uniform(0.05, 0.2) * texture.ridged(rng, h, w, rng.uniform(60, 300))
    elif kind == "steps":
        level = texture.fractal(rng, h, w, rng.uniform(150, 500), 0.3) * rng.uniform(1, 5)
        img = 0.4 + 0.03 * np.floor(level) + 0.02 * (level % 1)
        img = img + 0.03 * texture.any_texture(rng, h, w)
    else:
        img = 0.5 + rng.uniform(0.02, 0.15) * texture.fractal(rng, h, w, rng.uniform(40, 400), 0.7)
        img = img + rng.uniform(0, 0.05) * texture.any_texture(rng, h, w)
    img = img.astype(np.float32)
    for _ in range(rng.integers(0, 8) if rng.random() < 0.4 else 0):
        scratch(rng, img, 0.12, 3)
    return img, np.zeros((h, w), np.int32)


def blank(rng, h, w):
    """What an instrument delivers when nothing is under the beam: noise, shading, charging, curtains."""
    kind = rng.choice(["noise", "shading", "charging", "curtains", "support"])
    img = np.full((h, w), rng.uniform(0.1, 0.8), np.float32)
    if kind == "shading":
        ys, xs = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        a, b, c = rng.normal(0, 0.2, 3)
        img = img + a * ys + b * xs + c * (ys * ys + xs * xs)
    elif kind == "charging":
        img = glow(rng, img)
    elif kind == "curtains":
        streaks = texture.smooth(rng, w, h, rng.uniform(1.5, 12), rng.uniform(30, 600)).T
        img = img + rng.uniform(0.02, 0.2) * streaks
    elif kind == "support":
        img = img + rng.uniform(0.01, 0.06) * texture.fractal(rng, h, w, rng.uniform(3, 300), rng.uniform(0.3, 1))
    return img.astype(np.float32), np.zeros((h, w), np.int32)


def glow(rng, img):
    """IMG with soft bright or dark patches and streaked lines of a charged surface."""
    h, w = img.shape
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    for _ in range(rng.integers(1, 6)):
        y, x = rng.uniform(-0.1, 1.1, 2) * [h, w]
        high, wide = rng.uniform(40, 400, 2)
        img = img + rng.normal(0, 0.2) * np.exp(-(((ys - y) / high) ** 2 + ((xs - x) / wide) ** 2) / 2)
    bands = np.zeros((h, 1), np.float32)
    for _ in range(rng.integers(0, 30)):
        y = int(rng.integers(h))
        bands[y : y + int(rng.integers(1, 40))] += rng.normal(0, 0.1)
    if rng.random() < 0.5:  # lines that start where the charge broke down
        start = rng.integers(0, w)
        return np.where(xs > start, img + bands, img)
    return img + cv2.GaussianBlur(bands, (0, 0), 1) if rng.random() < 0.5 else img + bands
