"""Space-filling scenes: crystal grains, sand, cells, axons. Each returns brightness and labels."""

import cv2
import numpy as np
import scipy.spatial

import synth_shapes as shapes
import synth_texture as texture


def laguerre(rng, h, w, diameter, spread, warp_px, warp_scale, stretch=1.0, gain=0.5, uneven=0.0):
    """A power diagram: ids 1..n int32 and distance in px to the boundary to the next cell.

    Weights are log-normal with SPREAD; WARP_PX bends the boundaries, with detail by GAIN; STRETCH
    elongates along x; UNEVEN lets the size change over the field.
    """
    n = int(np.clip(h * w / stretch / (np.pi / 4 * diameter**2), 2, 6000) * 1.2) + 4
    margin = diameter
    low, high = [-margin, -margin], [h + margin, w / stretch + margin]
    seeds = rng.uniform(low, high, (3 * n, 2))
    # Crowded in some regions, sparse in others.
    field = texture.fractal(rng, h, w, max(h, w) * rng.uniform(0.1, 0.5), 0.4)
    at = np.clip(seeds * [1, stretch], 0, [h - 1, w - 1]).astype(int)
    chance = np.log(rng.random(3 * n)) / np.exp(uneven * field[at[:, 0], at[:, 1]])
    seeds = seeds[np.argsort(-chance)[:n]]
    radius = diameter / 2 * np.exp(rng.normal(0, spread, n))
    radius = np.minimum(radius, 2.5 * diameter)
    lift = np.sqrt(np.maximum((radius**2).max() - radius**2, 0))
    tree = scipy.spatial.cKDTree(np.column_stack([seeds, lift]))
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    xs = xs / stretch
    if warp_px:
        ys = ys + warp_px * texture.fractal(rng, h, w, warp_scale, gain)
        xs = xs + warp_px * texture.fractal(rng, h, w, warp_scale, gain)
    points = np.column_stack([ys.ravel(), xs.ravel(), np.zeros(h * w)])
    far, near = tree.query(points, k=2)
    apart = np.linalg.norm(seeds[near[:, 0]] - seeds[near[:, 1]], axis=1)
    border = (far[:, 1] ** 2 - far[:, 0] ** 2) / (2 * np.maximum(apart, 1))
    return compact(near[:, 0].reshape(h, w)), border.reshape(h, w).astype(np.float32)


def compact(lab):
    """The same cells as ids 1..n."""
    _, inverse = np.unique(lab, return_inverse=True)
    return inverse.reshape(lab.shape).astype(np.int32) + 1


def cell_size(rng, low=14, high=110):
    return np.exp(rng.uniform(np.log(low), np.log(high)))


def grains(rng, h, w):
    """Polycrystal: channelling contrast, boundaries dark, bright or hardly there, twins, marks."""
    d = cell_size(rng)
    warp = rng.choice([0, rng.uniform(0.5, 2), 0.06 * d], p=[0.4, 0.3, 0.3])
    spread, scale = rng.uniform(0.05, 0.5), max(d * rng.uniform(0.3, 1), 5)
    uneven = rng.choice([0, rng.uniform(0, 1)])
    lab, border = laguerre(rng, h, w, d, spread, warp, scale, uneven=uneven)
    n = lab.max()
    kind = rng.choice(["channelling", "etched", "thermal"], p=[0.45, 0.35, 0.2])
    low, high = {"channelling": (0.06, 0.25), "etched": (0, 0.05), "thermal": (0, 0.1)}[kind]
    step = rng.uniform(low, high)
    img = 0.5 + step * rng.standard_normal(n + 1).astype(np.float32)[lab]
    if kind != "etched" and rng.random() < 0.5:  # a slow bend of the lattice inside each grain
        a = rng.uniform(0, 2 * np.pi, n + 1)
        ys, xs = np.mgrid[:h, :w]
        tilt = (np.cos(a)[lab] * ys + np.sin(a)[lab] * xs) / (d * 2)
        img = img + step * 0.4 * np.sin(tilt).astype(np.float32)
    if rng.random() < 0.4:
        img = img + twins(rng, lab, d, step + 0.04)
    width = rng.uniform(0.5, 2.2)
    line = np.exp(-((border / width) ** 2))
    if kind == "channelling":
        img = img + rng.choice([0, rng.normal(0, 0.08)]) * line
    elif kind == "etched":
        img = img + rng.choice([-1, 1], p=[0.65, 0.35]) * rng.uniform(0.12, 0.4) * line
    else:
        shoulder = np.exp(-((border / width - 2.5) ** 2))
        img = img - rng.uniform(0.1, 0.35) * line + rng.uniform(0, 0.15) * shoulder
    img = img + rng.uniform(0.005, 0.05) * texture.any_texture(rng, h, w)
    if rng.random() < 0.35:
        img = img + rng.uniform(0, 0.06) * texture.brushed(rng, h, w)
    if rng.random() < 0.35:
        specks(rng, img)
    return img, lab


def twins(rng, lab, d, step):
    """Straight bands across some grains; not objects of their own."""
    h, w = lab.shape
    n = lab.max()
    a = rng.uniform(0, np.pi, n + 1)
    pitch = rng.uniform(0.25, 0.8, n + 1) * d
    has = rng.random(n + 1) < 0.3
    share = rng.uniform(0.15, 0.5, n + 1)
    ys, xs = np.mgrid[:h, :w]
    phase = (np.cos(a)[lab] * ys + np.sin(a)[lab] * xs) / pitch[lab] % 1
    value = step * rng.normal(0, 1, n + 1)
    return (has[lab] * (phase < share[lab]) * value[lab]).astype(np.float32)


def specks(rng, img):
    """Pores and dirt much smaller than the objects, background to nobody."""
    h, w = img.shape
    for _ in range(rng.integers(5, 120)):
        at = int(rng.integers(w)), int(rng.integers(h))
        cv2.circle(img, at, int(rng.integers(1, 3)), float(rng.uniform(0, 1)), -1, cv2.LINE_AA)


def sand(rng, h, w):
    """Packed rough grains: a loose pile, a packed layer seen from above, or a polished section."""
    return rng.choice([pile, packed], p=[0.45, 0.55])(rng, h, w)


def pile(rng, h, w):
    """Rough grains on one another, shaded, with shadows between them."""
    d = cell_size(rng, 14, 130)
    scene = shapes.Scene(rng.uniform(0.02, 0.2) + 0.03 * texture.fractal(rng, h, w, 20))
    skin = texture.fractal(rng, h, w, max(0.5 * d, 8), rng.uniform(0.5, 0.75))
    if rng.random() < 0.4:
        skin = texture.unit(skin + 0.6 * texture.any_texture(rng, h, w))
    look = shapes.Look(
        base=rng.uniform(0.3, 0.55),
        spread=rng.uniform(0.02, 0.1),
        edge=rng.uniform(0, 0.35),
        edge_power=rng.uniform(1.5, 5),
        light=rng.uniform(0.03, 0.25),
        light_angle=rng.uniform(0, 2 * np.pi),
        grain=rng.uniform(0.03, 0.12),
        shadow=rng.uniform(0.3, 0.75),
        shadow_px=d * rng.uniform(0.05, 0.2),
        relief=rng.choice(["round", "flat", "facets"]),
        bevel=rng.uniform(0.2, 0.8),
    )
    n = int(min(rng.uniform(1, 2.5) * h * w / (np.pi / 4 * d * d), 2500))
    sizes = np.clip(d * np.exp(rng.normal(0, rng.uniform(0.15, 0.5), n)), 8, 170)
    sizes = sizes[np.argsort(-sizes + rng.normal(0, 0.5 * d, n))]
    kind = rng.choice(["rough", "crystal", "blob"], p=[0.7, 0.15, 0.15])
    for i, size in enumerate(sizes):
        fog = 0.6 * (1 - i / n) ** 2
        y, x = rng.uniform(0, h), rng.uniform(0, w)
        shapes.paint(scene, rng, y, x, shapes.outline(rng, kind, size / 2), look, skin, fog)
    return scene.img, scene.finish(0.25)


def packed(rng, h, w):
    """Grains side by side with gaps; in relief, or polished flat with pores between them."""
    d = cell_size(rng, 14, 120)
    bend = rng.uniform(0.02, 0.08) * d
    lab, border = laguerre(rng, h, w, d, rng.uniform(0.15, 0.55), bend, max(0.6 * d, 6))
    border = cv2.GaussianBlur(border, (0, 0), d * rng.uniform(0.02, 0.1))  # rounds the corners
    rough = texture.fractal(rng, h, w, max(rng.uniform(0.3, 2) * d, 5), 0.6)
    gap = rng.uniform(0.02, 0.1) * d + 0.8
    inside = border > gap * (1 + rng.uniform(0.2, 0.9) * rough)
    n = lab.max()
    inside &= (rng.random(n + 1) > rng.uniform(0, 0.2))[lab]
    mineral = rng.choice([rng.uniform(0.01, 0.06), rng.uniform(0.08, 0.2)])
    img = rng.uniform(0.4, 0.65) + mineral * rng.standard_normal(n + 1)[lab]
    fine = texture.any_texture(rng, h, w)
    if rng.random() < 0.65:
        depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
        t = np.clip(depth / (d * rng.uniform(0.15, 0.5)), 0, 1)
        height = d * 0.35 * np.sqrt(1 - (1 - t) ** 2)
        height = height + d * rng.uniform(0.005, 0.04) * fine
        gy, gx = np.gradient(cv2.GaussianBlur(height.astype(np.float32), (0, 0), 1.0))
        a = rng.uniform(0, 2 * np.pi)
        img = img + rng.uniform(0.02, 0.25) * np.clip(np.cos(a) * gx + np.sin(a) * gy, -1.5, 1.5)
        img = img + rng.uniform(0, 0.25) * np.clip(np.sqrt(gx * gx + gy * gy), 0, 2)
    img = img + rng.uniform(0.005, 0.05) * fine
    floor = rng.uniform(0.02, 0.25) + rng.uniform(0.01, 0.06) * texture.any_texture(rng, h, w)
    img = np.where(inside, img, floor)
    shade = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.06 * d + 1)
    return img * (1 - rng.uniform(0, 0.5) * (1 - shade)), np.where(inside, lab, 0)


def cells(rng, h, w):
    """Neuropil: membranes round interiors of very different size, filled with organelles."""
    d = cell_size(rng, 18, 90)
    stretch = rng.uniform(1, 2.2)
    spread, bend = rng.uniform(0.4, 0.8), (0.25 * d, 1.3 * d)
    lab, border = laguerre(rng, h, w, d, spread, *bend, stretch, gain=0.3, uneven=1.2)
    n = lab.max()
    img = 0.62 + rng.uniform(0.02, 0.09) * rng.standard_normal(n + 1)[lab]
    img = img - rng.uniform(0, 0.3) * (rng.random(n + 1) < 0.12)[lab]  # some are dense
    inner = texture.fractal(rng, h, w, rng.uniform(6, 16), 0.8)
    img = img + rng.uniform(0.02, 0.07) * inner
    scene = shapes.Scene(img)
    dirt = texture.fractal(rng, h, w, 6, 0.7)
    for _ in range(int(h * w / d**2 * rng.uniform(0.1, 0.5))):  # organelles, not objects
        y, x = rng.integers(h), rng.integers(w)
        room = border[y, x] * 0.8
        if room > 3:
            tone = rng.uniform(0.3, 0.55)
            look = shapes.Look(tone, 0.03, 0, 1, 0, 0, 0.05, 0, 1, "flat", 0.3, -0.1)
            r = shapes.outline(rng, "ellipse", rng.uniform(0.5, 1) * room)
            before = scene.img.copy()
            shapes.paint(scene, rng, y, x, r, look, dirt, label=False)
            scene.img = np.where(lab == lab[y, x], scene.img, before)
    width = rng.uniform(1.2, 3)
    dark = rng.uniform(0.2, 0.45) * (1 + 0.25 * texture.fractal(rng, h, w, 24, 0.5))
    img = scene.img - dark * np.exp(-((border / width) ** 2))
    return img, lab


def axons(rng, h, w):
    """Nerve cut across: interiors inside myelin rings; the interiors are the objects."""
    ground = rng.uniform(0.15, 0.5)
    myelin = ground + rng.uniform(0.2, 0.5) * (1 if rng.random() < 0.8 else -0.7)
    inner = rng.choice([rng.uniform(0.05, 0.2), ground, ground + rng.uniform(-0.1, 0.1)])
    median = cell_size(rng, 12, 60)
    img = ground + rng.uniform(0.03, 0.12) * texture.fractal(rng, h, w, rng.uniform(8, 40), 0.7)
    fine = texture.fractal(rng, h, w, rng.uniform(4, 12), 0.8)
    way = loose_axons if rng.random() < 0.5 else dense_axons
    return way(rng, img, fine, median, myelin, inner)


def loose_axons(rng, img, fine, median, myelin, inner):
    """Rings with gaps between them."""
    h, w = img.shape
    scene = shapes.Scene(img)
    n = int(1.5 * h * w / median**2)
    sizes = np.clip(median * np.exp(rng.normal(0, rng.uniform(0.3, 0.6), n)), 8, 160)
    share = rng.uniform(0.55, 0.75)
    grain = rng.uniform(0.02, 0.08)
    ring = shapes.Look(myelin, 0.05, 0, 1, 0, 0, grain, 0.2, 2, "flat", 0.3)
    look = shapes.Look(inner, 0.06, 0, 1, 0, 0, grain, 0, 1, "flat", 0.3)
    for y, x, size in shapes.scatter(rng, h, w, sizes, overlap=rng.uniform(-0.05, 0.1), tries=5):
        base = shapes.outline(rng, "blob" if rng.random() < 0.5 else "ellipse", size / 2)
        shapes.paint(scene, rng, y, x, base, ring, fine, label=False)
        waves = shapes.blob(rng, 1, rng.choice([0.1, 0.3]), 9)
        core = base * np.minimum(share * np.exp(rng.normal(0, 0.12)) * waves, 0.9)
        shapes.paint(scene, rng, y, x, core, look, fine)
    return scene.img, scene.finish()


def dense_axons(rng, img, fine, median, myelin, inner):
    """Sheaths pressed against each other."""
    h, w = img.shape
    bend = rng.uniform(0, 0.12) * median
    lab, border = laguerre(rng, h, w, median, rng.uniform(0.3, 0.6), bend, median)
    border = cv2.GaussianBlur(border, (0, 0), median * rng.uniform(0.05, 0.11))
    n = lab.max()
    deepest = np.zeros(n + 1, np.float32)
    np.maximum.at(deepest, lab.ravel(), border.ravel())
    waves = 1 + rng.uniform(0, 0.2) * texture.smooth(rng, h, w, max(median * 0.4, 5))
    sheath = (rng.uniform(0.25, 0.45) * np.exp(rng.normal(0, 0.2, n + 1)) * deepest)[lab]
    gap = rng.uniform(0, 0.06) * median + 0.5
    core = border - gap - sheath * waves
    bare = (rng.random(n + 1) < rng.uniform(0, 0.25))[lab]  # cells without myelin, no objects
    soft = np.clip(core + 0.5, 0, 1) * ~bare
    wrap = np.clip(border - gap * waves + 0.5, 0, 1) * ~bare
    grain = rng.uniform(0.02, 0.08)
    of_cell = rng.normal(0, 0.04, (2, n + 1))
    img = img + (myelin + of_cell[0][lab] + grain * fine - img) * wrap
    img = img + (inner + of_cell[1][lab] + grain * fine - img) * soft
    return img, np.where((core > 0) & ~bare, lab, 0)
