"""Space-filling scenes: crystal grains, sand, cells, axons. Each returns brightness and labels."""

import cv2
import numpy as np
import scipy.spatial

import synth_shapes as shapes
import synth_texture as texture


def laguerre(rng, h, w, diameter, spread, warp_px, warp_scale, stretch=1.0):
    """A power diagram: ids 1..n int32 and distance in px to the boundary to the next cell.

    Weights are log-normal with SPREAD; WARP_PX bends the boundaries; STRETCH elongates along x.
    """
    n = int(np.clip(h * w / stretch / (np.pi / 4 * diameter**2), 2, 6000) * 1.2) + 4
    margin = diameter
    seeds = np.stack([rng.uniform(-margin, h + margin, n), rng.uniform(-margin, w / stretch + margin, n)], 1)
    radius = diameter / 2 * np.exp(rng.normal(0, spread, n))
    radius = np.minimum(radius, 2.5 * diameter)
    lift = np.sqrt(np.maximum((radius**2).max() - radius**2, 0))
    tree = scipy.spatial.cKDTree(np.column_stack([seeds, lift]))
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    xs = xs / stretch
    if warp_px:
        ys = ys + warp_px * texture.fractal(rng, h, w, warp_scale, 0.5)
        xs = xs + warp_px * texture.fractal(rng, h, w, warp_scale, 0.5)
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
    """Polycrystal: channelling contrast, thin boundaries dark, bright or hardly there, twins, marks."""
    d = cell_size(rng)
    warp = rng.choice([0, rng.uniform(0.5, 2), 0.06 * d], p=[0.4, 0.3, 0.3])
    lab, border = laguerre(rng, h, w, d, rng.uniform(0.05, 0.5), warp, max(d * rng.uniform(0.3, 1), 5))
    n = lab.max()
    kind = rng.choice(["channelling", "etched", "thermal"], p=[0.45, 0.35, 0.2])
    step = {"channelling": rng.uniform(0.06, 0.25), "etched": rng.uniform(0, 0.05), "thermal": rng.uniform(0, 0.1)}[kind]
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
        img = img - rng.uniform(0.1, 0.35) * line + rng.uniform(0, 0.15) * np.exp(-((border / width - 2.5) ** 2))
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
    """Packed rough grains seen from above: shading, bright edges, shadows and gaps."""
    d = cell_size(rng, 14, 120)
    lab, border = laguerre(rng, h, w, d, rng.uniform(0.15, 0.55), 0.07 * d, max(0.5 * d, 6))
    rough = texture.fractal(rng, h, w, max(0.3 * d, 5), 0.6)
    gap = rng.uniform(0.01, 0.09) * d + 0.6
    inside = border > gap * (1 + 0.5 * rough)
    n = lab.max()
    inside &= (rng.random(n + 1) > rng.uniform(0, 0.15))[lab]
    ids = np.where(inside, lab, 0)
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    t = np.clip(depth / (d * rng.uniform(0.15, 0.45)), 0, 1)
    height = d * 0.35 * np.sqrt(1 - (1 - t) ** 2)
    height = height + d * rng.uniform(0.01, 0.05) * texture.fractal(rng, h, w, max(d * 0.5, 6), 0.6)
    gy, gx = np.gradient(cv2.GaussianBlur(height.astype(np.float32), (0, 0), 0.8))
    a = rng.uniform(0, 2 * np.pi)
    steep = np.sqrt(gx * gx + gy * gy)
    img = 0.45 + rng.uniform(0.02, 0.1) * rng.standard_normal(n + 1)[lab]
    img = img + rng.uniform(0.02, 0.2) * np.clip(np.cos(a) * gx + np.sin(a) * gy, -1.5, 1.5)
    img = img + rng.uniform(0.0, 0.25) * np.clip(steep, 0, 2)
    img = img + rng.uniform(0.01, 0.06) * texture.any_texture(rng, h, w)
    floor = rng.uniform(0.02, 0.3) + 0.04 * texture.fractal(rng, h, w, 20)
    img = np.where(inside, img, floor)
    shade = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.06 * d + 1)
    img = img * (1 - rng.uniform(0, 0.5) * (1 - shade))
    return img, ids


def cells(rng, h, w):
    """Neuropil: membranes round interiors of very different size and shape, filled with organelles."""
    d = cell_size(rng, 18, 90)
    stretch = rng.uniform(1, 2.2)
    lab, border = laguerre(rng, h, w, d, rng.uniform(0.4, 0.8), 0.2 * d, 1.3 * d, stretch)
    n = lab.max()
    img = 0.62 + rng.uniform(0.02, 0.09) * rng.standard_normal(n + 1)[lab]
    inner = texture.fractal(rng, h, w, rng.uniform(6, 16), 0.8)
    img = img + rng.uniform(0.02, 0.07) * inner
    scene = shapes.Scene(img)
    dirt = texture.fractal(rng, h, w, 6, 0.7)
    for _ in range(int(h * w / d**2 * rng.uniform(0.1, 0.5))):  # organelles, not objects
        y, x = rng.integers(h), rng.integers(w)
        room = border[y, x] * 0.8
        if room > 3:
            look = shapes.Look(rng.uniform(0.3, 0.55), 0.03, 0, 1, 0, 0, 0.05, 0, 1, "flat", 0.3, -0.1)
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
    median = cell_size(rng, 12, 60)
    count = int(1.5 * h * w / median**2)
    d = np.clip(median * np.exp(rng.normal(0, rng.uniform(0.3, 0.6), count)), 8, 160)
    places = shapes.scatter(rng, h, w, d, overlap=-0.02, tries=5)
    ground = rng.uniform(0.2, 0.5)
    img = ground + rng.uniform(0.03, 0.12) * texture.fractal(rng, h, w, rng.uniform(8, 40), 0.7)
    scene = shapes.Scene(img)
    myelin = np.clip(ground + rng.uniform(0.2, 0.5), 0, 1) if rng.random() < 0.75 else ground - 0.25
    inner = rng.choice([rng.uniform(0.05, 0.2), ground, ground + rng.uniform(-0.1, 0.1)])
    fine = texture.fractal(rng, h, w, rng.uniform(4, 12), 0.8)
    share = rng.uniform(0.55, 0.75)
    for y, x, size in places:
        base = shapes.outline(rng, "blob" if rng.random() < 0.5 else "ellipse", size / 2)
        ring = shapes.Look(myelin, 0.05, 0, 1, 0, 0, rng.uniform(0.02, 0.08), 0.2, 2, "flat", 0.3, 0)
        shapes.paint(scene, rng, y, x, base, ring, fine, label=False)
        waves = shapes.blob(rng, 1, 0.12, 9)
        core = base * np.minimum(share * np.exp(rng.normal(0, 0.12)) * waves, 0.9)
        look = shapes.Look(inner, 0.06, 0, 1, 0, 0, rng.uniform(0.02, 0.08), 0, 1, "flat", 0.3, 0)
        shapes.paint(scene, rng, y, x, core, look, fine)
    return scene.img, scene.finish()
