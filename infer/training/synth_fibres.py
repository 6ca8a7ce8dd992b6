"""Scenes of long objects: fibres that cross, nanorods that lie side by side."""

import numpy as np

import synth_shapes as shapes
import synth_texture as texture
from synth_ground import film, ground


def curve(rng, h, w, bend, step=12.0):
    """Points (y, x) of a smooth path through the field, STEP px apart; BEND in radians per step."""
    length = np.exp(rng.uniform(np.log(60), np.log(1.6 * max(h, w))))
    n = max(int(length / step), 2)
    turn = np.convolve(rng.normal(0, bend, n + 6), np.ones(7) / 7**0.5, "valid")
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(turn)
    path = np.cumsum(np.stack([np.sin(angle), np.cos(angle)], 1) * step, 0)
    middle = path[len(path) // 2]
    return path - middle + np.array([rng.uniform(0, h), rng.uniform(0, w)])


def draw(scene, rng, path, width, taper, look, grain, fog, transparent=0.0):
    """One fibre of WIDTH px along PATH, round ends; the side lit from one direction."""
    h, w = scene.img.shape
    far = width + 3 + look.shadow_px * 2
    low, high = path.min(0) - far, path.max(0) + far
    y0, x0 = max(int(low[0]), 0), max(int(low[1]), 0)
    y1, x1 = min(int(high[0]) + 2, h), min(int(high[1]) + 2, w)
    if y0 >= y1 or x0 >= x1:
        return
    depth = np.full((y1 - y0, x1 - x0), -99, np.float32)
    across = np.zeros_like(depth)
    half = width / 2 * (1 - taper * np.linspace(0, 1, len(path)))
    for k in range(len(path) - 1):
        p, q = path[k], path[k + 1]
        a = np.maximum(np.floor(np.minimum(p, q) - far).astype(int), [y0, x0])
        b = np.minimum(np.ceil(np.maximum(p, q) + far).astype(int), [y1, x1])
        if (a >= b).any():
            continue
        dy = np.arange(a[0], b[0])[:, None] - p[0]
        dx = np.arange(a[1], b[1])[None, :] - p[1]
        v = q - p
        long = np.hypot(*v)
        t = np.clip((dy * v[0] + dx * v[1]) / long**2, 0, 1)
        gap = np.hypot(dy - t * v[0], dx - t * v[1])
        d = half[k] + (half[k + 1] - half[k]) * t - gap
        side = (dy * v[1] - dx * v[0]) / long / half[k]
        window = slice(a[0] - y0, b[0] - y0), slice(a[1] - x0, b[1] - x0)
        closer = d > depth[window]
        depth[window] = np.where(closer, d, depth[window])
        across[window] = np.where(closer, side, across[window])
    inside = depth > 0
    if inside.sum() < 30:
        return
    box = slice(y0, y1), slice(x0, x1)
    t = np.clip(depth / (width / 2), 0, 1)
    cover = np.clip(depth + 0.5, 0, 1)
    ph, pw = depth.shape
    oy, ox = rng.integers(0, h - ph + 1), rng.integers(0, w - pw + 1)
    value = look.base + rng.normal(0, look.spread) + look.edge * (1 - t) ** look.edge_power
    marks = look.grain * grain[oy : oy + ph, ox : ox + pw]
    value = value + look.light * np.clip(across, -1, 1) + marks
    img = scene.img[box]
    if transparent:
        thick = np.sqrt(np.clip(1 - (1 - t) ** 2, 0, 1)) * 0.6 + 0.4
        scene.img[box] = img * np.exp(-transparent * cover * thick * (1 + 2 * marks))
    else:
        img = img * (1 - look.shadow * np.exp(np.minimum(depth, 0) / look.shadow_px))
        scene.img[box] = img + (value * (1 - fog) - img) * cover
    scene.claim(box, inside)


def fibres(rng, h, w):
    """Straight or curved, crossing: the upper one hides the lower one."""
    transparent = rng.uniform(0.25, 1.2) if rng.random() < 0.25 else 0.0
    if transparent:
        img, level = film(rng, h, w), 0.7
    else:
        img, level = ground(rng, h, w, 0.03, 0.4)
    scene = shapes.Scene(img)
    grain = texture.any_texture(rng, h, w)
    look = shapes.random_look(rng, level)
    look.light *= 0.6
    width = np.exp(rng.uniform(np.log(6), np.log(40)))
    spread = rng.uniform(0.02, 0.4)
    bend = rng.choice([0, rng.uniform(0.005, 0.05), rng.uniform(0.05, 0.15)], p=[0.35, 0.35, 0.3])
    n = int(np.clip(rng.uniform(0.1, 1.1) * h * w / (width * 300), 2, 120))
    deep = rng.uniform(0, 0.6)
    for i in range(n):
        path = curve(rng, h, w, bend)
        each = np.clip(width * np.exp(rng.normal(0, spread)), 5, 60)
        taper = rng.choice([0, 0.3], p=[0.8, 0.2])
        fog = deep * (1 - i / n) ** 1.5
        draw(scene, rng, path, each, taper, look, grain, fog, transparent)
    return scene.img, scene.finish(0.2)


def nanorods(rng, h, w):
    """Short rods lying side by side, touching, in rafts or at random; SEM or TEM."""
    transparent = rng.uniform(0.4, 2) if rng.random() < 0.6 else 0.0
    img, level = ground(rng, h, w, 0.03, 0.4)
    if transparent:
        img = film(rng, h, w)
    scene = shapes.Scene(img)
    grain = texture.any_texture(rng, h, w)
    look = shapes.random_look(rng, level)
    look.light *= 0.6
    look.shadow_px = min(look.shadow_px, 4)
    width = np.exp(rng.uniform(np.log(6), np.log(28)))
    aspect = rng.uniform(1.5, 9)
    long = min(width * aspect, 150)
    n = int(np.clip(rng.uniform(0.1, 0.7) * h * w / (width * long), 3, 1500))
    direction = texture.fractal(rng, h, w, rng.uniform(60, 300), 0.3) * rng.choice([0.3, 3])
    raft = rng.random() < 0.5
    placed = 0
    while placed < n:
        y, x = rng.uniform(0, h), rng.uniform(0, w)
        row = int(rng.integers(2, 9)) if raft else 1
        angle = direction[int(y), int(x)] + rng.normal(0, 0.1)
        for k in range(row):
            size = width * np.exp(rng.normal(0, 0.08))
            reach = long * np.exp(rng.normal(0, 0.15)) - size
            a = angle + rng.normal(0, 0.04)
            along = np.array([np.sin(a), np.cos(a)])
            side = np.array([np.cos(angle), -np.sin(angle)])
            apart = k * width * rng.uniform(0.98, 1.12)
            at = np.array([y, x]) + side * apart + along * rng.normal(0, 0.08 * long)
            path = np.stack([at - along * max(reach, 2) / 2, at, at + along * max(reach, 2) / 2])
            draw(scene, rng, path, size, 0, look, grain, 0, transparent)
            placed += 1
    return scene.img, scene.finish(0.25)
