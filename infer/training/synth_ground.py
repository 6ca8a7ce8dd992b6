"""Supports, dirt and the number of objects: what scenes of particles share."""

import cv2
import numpy as np

import synth_shapes as shapes
import synth_texture as texture

MANY = 3000


def ground(rng, h, w, low=0.05, high=0.6):
    """A textured support and its brightness, between LOW and HIGH."""
    level = rng.uniform(low, high)
    field = rng.uniform(0.003, 0.05) * texture.any_texture(rng, h, w)
    field = field + rng.uniform(0, 0.06) * texture.fractal(rng, h, w, rng.uniform(80, 300))
    return level + field, level


def film(rng, h, w, holes=0.12):
    """Carbon support of a TEM grid: grainy, of uneven thickness, a hole in a share of HOLES."""
    grains = texture.grainy(rng, h, w, rng.uniform(0.7, 1.7))
    img = rng.uniform(0.55, 0.9) + rng.uniform(0.005, 0.06) * grains
    img = img + rng.uniform(0, 0.05) * texture.fractal(rng, h, w, rng.uniform(60, 300))
    if rng.random() < holes:
        hole = texture.fractal(rng, h, w, rng.uniform(80, 250), 0.3) > rng.uniform(0.8, 1.8)
        rim = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 3)
        img = np.where(hole, 0.97, img) - 0.12 * rim * (1 - rim) * 4 * (rng.random() < 0.6)
    return img


def scratch(rng, img, strength, thickest):
    """A straight line across IMG, brighter or darker."""
    h, w = img.shape
    layer = np.zeros((h, w), np.float32)
    a, b = (tuple(map(int, p)) for p in rng.uniform(-0.2, 1.2, (2, 2)) * [w, h])
    cv2.line(layer, a, b, 1.0, int(rng.integers(1, thickest + 1)), cv2.LINE_AA)
    img += layer * float(rng.normal(0, strength))


def distract(rng, scene, texture_field, level):
    """Some dirt, holes and scratches that are no objects."""
    h, w = scene.img.shape
    for _ in range(rng.integers(0, 25)):
        r = shapes.outline(rng, "rough", rng.uniform(0.7, 1.7))
        look = shapes.Look(level + rng.normal(0, 0.15), grain=0.05, edge=0.05)
        y, x = rng.uniform(0, h), rng.uniform(0, w)
        shapes.paint(scene, rng, y, x, r, look, texture_field, label=False)
    for _ in range(rng.integers(0, 3)):
        scratch(rng, scene.img, 0.08, 2)


def how_many(rng, h, w, d, low, high):
    """Objects of mean diameter D that cover a share LOW..HIGH of the field."""
    cover = np.exp(rng.uniform(np.log(low), np.log(high)))
    return int(np.clip(cover * h * w / (np.pi / 4 * np.mean(d**2)), 1, MANY))


def sized(rng, h, w, low, high):
    d = shapes.diameters(rng, MANY)
    return d[: how_many(rng, h, w, d, low, high)]
