"""Fields without objects, of many kinds: all background."""

import cv2
import numpy as np

import synth_texture as texture
from synth_ground import film, ground, scratch


def net(rng, h, w):
    """Lacey carbon: a net of strands round holes."""
    img = np.zeros((h, w), np.float32)
    n = int(rng.integers(15, 70))
    points = rng.uniform([-60, -60], [w + 60, h + 60], (n, 2))
    space = cv2.Subdiv2D((-100, -100, w + 200, h + 200))
    space.insert([(float(x), float(y)) for x, y in points])
    facets, _ = space.getVoronoiFacetList([])
    for facet in facets:
        thick = int(np.clip(np.exp(rng.normal(1.7, 0.4)), 2, 16))
        cv2.polylines(img, [np.round(facet * 8).astype(np.int32)], True, 1.0, thick, cv2.LINE_AA, 3)
    img = cv2.GaussianBlur(img, (0, 0), rng.uniform(4, 8))
    strand = np.clip((img - rng.uniform(0.15, 0.3)) * rng.uniform(4, 15), 0, 1)
    step = rng.uniform(0.15, 0.4) * rng.choice([-1, 1])
    return 0.5 + step * (strand - 0.5) + 0.04 * texture.grainy(rng, h, w, rng.uniform(0.7, 2))


def empty(rng, h, w):
    """Support, film, noise, charging, scratches, steps, folds or a net."""
    kind = rng.choice(["flat", "flat", "ground", "film", "net", "brushed", "folds", "steps", "fog"])
    if kind == "flat":
        img = np.full((h, w), rng.uniform(0.1, 0.8), np.float32)
    elif kind == "ground":
        img = ground(rng, h, w)[0]
    elif kind == "film":
        img = film(rng, h, w, 0)
    elif kind == "net":
        img = net(rng, h, w)
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
