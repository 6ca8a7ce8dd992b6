"""Transmission scenes: what absorbs adds up. Each returns brightness and labels."""

import cv2
import numpy as np

import synth_shapes as shapes
import synth_texture as texture
from synth_ground import MANY, film, ground, how_many, sized


def dark_field(rng, img):
    """What scatters is bright: the negative, as a scanning transmission detector shows it."""
    thick = np.log(img.max() / np.maximum(img, 0.02))
    return rng.uniform(0.02, 0.25) + 0.8 * (1 - np.exp(-rng.uniform(0.3, 0.9) * thick))


def translucent(rng, scene, places, kind):
    """A heap in transmission: crystals of differing darkness that show through each other."""
    inside = texture.any_texture(rng, *scene.img.shape)
    mu, solid, grain = rng.uniform(0.2, 0.8), rng.uniform(0, 0.6), rng.uniform(0, 0.1)
    for y, x, size in places:
        r = shapes.outline(rng, kind, size / 2)
        shapes.absorb(scene, rng, y, x, r, mu * np.exp(rng.normal(0, 0.4)), inside, grain, solid)
    if rng.random() < 0.4:
        scene.img = dark_field(rng, scene.img)
    return scene.img, scene.finish(0.3)


def tem(rng, h, w):
    """Bright field: dark discs and crystals whose absorption adds up where they overlap."""
    scene = shapes.Scene(film(rng, h, w))
    inside = texture.any_texture(rng, h, w)
    d = sized(rng, h, w, 0.03, 0.5)
    way = rng.choice(["scatter", "touch", "pile", "lattice"], p=[0.4, 0.25, 0.2, 0.15])
    if way == "scatter":
        places = shapes.scatter(rng, h, w, d, rng.uniform(-0.3, 0.05))
    elif way == "touch":
        heaps = int(rng.integers(1, 2 + len(d) // 8))
        places = shapes.cluster(rng, h, w, d, heaps, rng.uniform(0, 0.25), True)
    elif way == "lattice":
        places = shapes.lattice(rng, h, w, d, MANY)
    else:
        places = np.column_stack([rng.uniform(0, h, len(d)), rng.uniform(0, w, len(d)), d])
    kinds = ["disc", "ellipse", "crystal", "box", "rod", "dogbone", "blob"]
    kind = rng.choice(kinds, p=[0.35, 0.1, 0.25, 0.1, 0.05, 0.05, 0.1])
    mu = np.exp(rng.uniform(np.log(0.25), np.log(2.2)))
    solid, grain = rng.uniform(0, 1), abs(rng.normal(0, 0.12))
    varied = rng.choice([0.03, 0.3])  # diffraction contrast
    fringe = rng.choice([0, rng.uniform(0.02, 0.12)])
    for y, x, size in places:
        r = shapes.outline(rng, kind, size / 2)
        strength = mu * np.exp(rng.normal(0, varied))
        shapes.absorb(scene, rng, y, x, r, strength, inside, grain, solid)
    if fringe:  # Fresnel fringe of a defocused lens
        edge = np.where(scene.lab > 0, 1.0, 0.0).astype(np.float32)
        band = cv2.GaussianBlur(edge, (0, 0), 1.5)
        scene.img = scene.img + fringe * band * (edge == 0) * 2
    if rng.random() < 0.2:
        scene.img = dark_field(rng, scene.img)
    return scene.img, scene.finish(0.25)


def coreshell(rng, h, w):
    """Cores in shells, hollow balls and rings; the outermost outline is the object."""
    bright_field = rng.random() < 0.7
    img, level = (film(rng, h, w), 0.7) if bright_field else ground(rng, h, w, 0.05, 0.4)
    scene = shapes.Scene(img)
    inside = texture.any_texture(rng, h, w)
    median = np.exp(rng.uniform(np.log(20), np.log(110)))
    d = np.clip(median * np.exp(rng.normal(0, rng.uniform(0.03, 0.25), MANY)), 12, 150)
    d = d[: how_many(rng, h, w, d, 0.05, 0.5)]
    if rng.random() < 0.6:
        places = shapes.scatter(rng, h, w, d, 0.02)
    else:
        heaps = int(rng.integers(1, 2 + len(d) // 5))
        places = shapes.cluster(rng, h, w, d, heaps, rng.uniform(0, 0.2))
    hollow = rng.random() < 0.4
    share, mu = rng.uniform(0.25, 0.85), rng.uniform(0.25, 0.9)
    look = shapes.random_look(rng, level)
    kind = rng.choice(["disc", "ellipse", "box", "blob", "rod"], p=[0.6, 0.1, 0.1, 0.1, 0.1])
    for y, x, size in places:
        r = shapes.outline(rng, kind, size / 2)
        part = np.clip(share * np.exp(rng.normal(0, 0.08)), 0.1, 0.92)
        off = rng.normal(0, (1 - part) * size * 0.12, 2)
        if bright_field:
            shapes.absorb(scene, rng, y, x, r, mu, inside, 0.06, rng.uniform(0, 0.3))
            core = -0.75 * mu if hollow else rng.uniform(0.6, 1.8)
            at = y + off[0], x + off[1]
            shapes.absorb(scene, rng, *at, r * part, core, inside, 0.06, 0.2, label=False)
        else:
            shapes.paint(scene, rng, y, x, r, look, inside)
            if rng.random() < 0.6:
                dark = shapes.Look(level * 0.5, 0.03, 0, 1, 0, 0, 0.04, 0, 1)
                at = y + off[0], x + off[1]
                shapes.paint(scene, rng, *at, r * part * 0.7, dark, inside, label=False)
    return scene.img, scene.finish(0.2)
