"""Fields without objects, of many kinds: all background."""

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
