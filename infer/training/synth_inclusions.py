"""Second phases and holes in a solid. Each returns brightness and labels."""

import cv2
import numpy as np

import synth_shapes as shapes
import synth_texture as texture
from synth_ground import MANY, distract, how_many, sized


def precipitates(rng, h, w):
    """Gamma-prime-like particles of one or two sizes, faint, in a matrix with texture."""
    level = rng.uniform(0.3, 0.7)
    step = rng.choice([-1, 1], p=[0.65, 0.35]) * rng.uniform(0.04, 0.25)
    img = level + rng.uniform(0.02, 0.3) * abs(step) * texture.any_texture(rng, h, w)
    img = img + rng.uniform(0, 0.15) * abs(step) * texture.brushed(rng, h, w)
    img = img + rng.uniform(0, 0.4) * abs(step) * texture.fractal(rng, h, w, rng.uniform(60, 300))
    scene = shapes.Scene(img)
    inside = texture.any_texture(rng, h, w)
    rim = rng.choice([0, rng.uniform(-0.15, 0.15)])
    grain = rng.uniform(0.002, 0.03)
    look = shapes.Look(level + step, 0.012, 0, 1, 0, 0, grain, 0, 1, "flat", 0.2, rim)
    small = np.exp(rng.uniform(np.log(6), np.log(22)))
    large = small * rng.uniform(2.5, 7)
    d = np.clip(small * np.exp(rng.normal(0, 0.25, MANY)), 6, 45)
    d = d[: how_many(rng, h, w, d, 0.04, 0.35)]
    lobes = rng.random() < 0.3
    if lobes:
        lobed(rng, scene, large, look, inside)
    elif rng.random() < 0.6:
        big = np.clip(large * np.exp(rng.normal(0, 0.35, MANY)), 6, 150)
        d = np.concatenate([d, big[: how_many(rng, h, w, big, 0.1, 0.6)]])
    halo = rng.uniform(-0.3, 0.05) if rng.random() < 0.7 else 0
    places = shapes.scatter(rng, h, w, d, halo, 6)
    kind = rng.choice(["box", "disc", "blob", "crystal"], p=[0.45, 0.25, 0.2, 0.1])
    aligned = kind == "box" and rng.random() < 0.7
    a = int(rng.integers(shapes.ANGLES))
    glow = rng.choice([0, rng.uniform(-0.08, 0.12)])
    for y, x, size in places:
        if lobes and near_object(scene, y, x, size):
            continue
        if aligned:
            r = shapes.superellipse(1, rng.uniform(0.7, 1), rng.uniform(2.5, 7))
            r = r * shapes.blob(rng, 1, 0.04, 5)
            r = np.roll(r * size / 2 / np.sqrt((r * r).mean()), a + int(rng.normal(0, 3)))
        elif kind == "blob" and size > 45:
            r = shapes.blob(rng, size / 2, rng.uniform(0.3, 0.8), 8)
        else:
            r = shapes.outline(rng, kind, size / 2)
        shapes.paint(scene, rng, y, x, r, look, inside)
    if glow:
        mask = (scene.lab == 0).astype(np.float32)
        scene.img += glow * mask * (1 - cv2.GaussianBlur(mask, (0, 0), rng.uniform(2, 6)))
    distract(rng, scene, inside, level)
    return scene.img, scene.finish()


def lobed(rng, scene, size, look, inside):
    """Large particles of any shape, grown together or eaten into, about SIZE px thick."""
    h, w = scene.img.shape
    field = texture.fractal(rng, h, w, size, 0.25)
    field = field - np.quantile(field, rng.uniform(0.52, 0.75))
    gy, gx = np.gradient(field)
    depth = field / np.maximum(np.hypot(gy, gx), 1e-3)  # about px
    body = (depth > 0).astype(np.uint8)
    count, marks, stats, _ = cv2.connectedComponentsWithStats(body, connectivity=4)
    for k in range(1, count):
        x, y, wide, high, area = stats[k]
        if area < 40:
            continue
        box = slice(max(y - 1, 0), y + high + 1), slice(max(x - 1, 0), x + wide + 1)
        mine = marks[box] == k
        near = cv2.dilate(mine.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        cover = np.clip(depth[box] + 0.5, 0, 1) * near
        value = look.base + rng.normal(0, look.spread) + look.grain * inside[box]
        value = value + look.rim * np.exp(-np.maximum(depth[box], 0) / 1.2)
        scene.img[box] += (value - scene.img[box]) * cover
        scene.claim(box, mine)


def near_object(scene, y, x, size):
    """Whether an object lies within SIZE px of (Y, X)."""
    y0, x0 = max(int(y - size * 0.7 - 2), 0), max(int(x - size * 0.7 - 2), 0)
    return scene.lab[y0 : int(y + size * 0.7 + 3), x0 : int(x + size * 0.7 + 3)].any()


def carbides(rng, h, w):
    """Spheroidite: small bright ellipses, rods and some large bodies in an etched matrix."""
    level = rng.uniform(0.15, 0.45)
    step = rng.uniform(0.15, 0.5) * rng.choice([1, -0.6], p=[0.85, 0.15])
    matrix = texture.fractal(rng, h, w, rng.uniform(6, 20), 0.8)
    matrix = matrix + rng.choice([0, 0.4, 0.9]) * texture.brushed(rng, h, w)
    img = level + rng.uniform(0.05, 0.28) * abs(step) * texture.unit(matrix)
    scene = shapes.Scene(img)
    inside = texture.fractal(rng, h, w, 20, 0.6)
    look = shapes.Look(
        base=level + step,
        spread=rng.uniform(0.02, 0.25 * abs(step)),
        edge=rng.uniform(0, 0.25),
        light=rng.uniform(0, 0.2),
        light_angle=rng.uniform(0, 2 * np.pi),
        grain=0.04,
        shadow=rng.uniform(0, 0.5),
        shadow_px=2.5,
        relief="flat",
    )
    median = np.exp(rng.uniform(np.log(7), np.log(26)))
    d = np.clip(median * np.exp(rng.normal(0, rng.uniform(0.3, 0.7), MANY)), 6, 130)
    d = d[: how_many(rng, h, w, d, 0.05, 0.35)]
    for y, x, size in shapes.scatter(rng, h, w, d, 0.2):
        kind = rng.choice(["ellipse", "rod", "blob", "disc"], p=[0.4, 0.25, 0.2, 0.15])
        shapes.paint(scene, rng, y, x, shapes.outline(rng, kind, size / 2), look, inside)
    return scene.img, scene.finish()


def pores(rng, h, w):
    """Dark holes with bright rims in a textured matrix."""
    level = rng.uniform(0.35, 0.7)
    img = level + rng.uniform(0.01, 0.06) * texture.any_texture(rng, h, w)
    scene = shapes.Scene(img)
    inside = texture.any_texture(rng, h, w)
    d = sized(rng, h, w, 0.06, 0.6)
    places = shapes.scatter(rng, h, w, d, rng.uniform(-0.3, 0.05))
    kind = rng.choice(["disc", "ellipse", "blob", "rough", "box"])
    rim, reach = rng.uniform(0, 0.3), rng.uniform(1, 5)
    look = shapes.Look(
        base=rng.uniform(0.02, 0.25),
        edge=rng.uniform(-0.1, 0.15),
        light=rng.uniform(0, 0.25),
        light_angle=rng.uniform(0, 2 * np.pi),
        grain=rng.uniform(0.01, 0.06),
        shadow=0,
        relief=rng.choice(["round", "flat"]),
        bevel=0.5,
    )
    for y, x, size in places:
        r = shapes.outline(rng, kind, size / 2)
        shapes.paint(scene, rng, y, x, r, look, inside)
    wall = (scene.lab == 0).astype(np.float32)
    scene.img += rim * wall * 2 * (1 - cv2.GaussianBlur(wall, (0, 0), reach))
    distract(rng, scene, inside, level)
    return scene.img, scene.finish()
