"""Outlines as radii over the angle, and the painting of single objects with exact masks."""

import dataclasses

import numpy as np

ANGLES = 360
THETA = np.arange(ANGLES) * (2 * np.pi / ANGLES)


def superellipse(a, b, power):
    """Half axes A and B; POWER 2 is an ellipse, larger ones a rounded box."""
    c, s = np.abs(np.cos(THETA)) + 1e-9, np.abs(np.sin(THETA)) + 1e-9
    return ((c / a) ** power + (s / b) ** power) ** (-1 / power)


def polygon(rng, radius, sides, irregular, power):
    """Convex polygon with corners rounded by a soft minimum over its sides."""
    gap = 2 * np.pi / sides
    phi = np.arange(sides) * gap + rng.normal(0, irregular * gap * 0.35, sides)
    far = radius * np.exp(rng.normal(0, irregular * 0.35, sides))
    c = np.maximum(np.cos(THETA[:, None] - phi), 0.05)
    r = ((c / far) ** power).sum(1) ** (-1 / power)
    return np.minimum(r, 1.6 * radius)


def blob(rng, radius, amplitude, highest):
    """Disc with random harmonics 2..HIGHEST."""
    r = np.zeros(ANGLES)
    for k in range(2, highest + 1):
        r += rng.normal() / k * np.cos(k * THETA + rng.uniform(0, 2 * np.pi))
    return radius * np.exp(np.clip(amplitude * r, -0.9, 0.6))


def outline(rng, kind, radius):
    """Radii of a shape of KIND whose area is about that of a disc of RADIUS, turned at random."""
    if kind == "disc":
        r = superellipse(1, rng.uniform(0.93, 1), 2)
    elif kind == "ellipse":
        r = superellipse(1, rng.uniform(0.4, 0.95), 2)
    elif kind == "box":
        r = superellipse(1, rng.uniform(0.7, 1), rng.uniform(2.6, 9))
    elif kind == "rod":
        r = superellipse(1, 1 / rng.uniform(1.6, 4.5), rng.uniform(2.5, 6))
    elif kind == "dogbone":
        r = superellipse(1, 1 / rng.uniform(1.8, 3), 3.5)
        r = r * (1 + rng.uniform(0.1, 0.25) * np.abs(np.cos(THETA)) ** 3)
    elif kind == "crystal":
        r = polygon(rng, 1, int(rng.integers(3, 8)), rng.uniform(0, 0.5), rng.uniform(8, 60))
    elif kind == "rough":
        r = polygon(rng, 1, int(rng.integers(5, 9)), rng.uniform(0.3, 0.9), rng.uniform(6, 20))
        r = r * blob(rng, 1, 0.08, 24)
    elif kind == "blob":
        r = blob(rng, 1, rng.uniform(0.1, 0.45), int(rng.integers(3, 7)))
    else:
        raise ValueError(f"no outline {kind!r}")
    r = r * radius / np.sqrt((r * r).mean())
    return np.roll(r, rng.integers(ANGLES))


def facets(rng, radii, angle, relative):
    """Shades of the faces that meet the corners of RADII, and of a flat top in some."""
    near = np.stack([np.roll(radii, k) for k in range(-12, 13)])
    corners = np.flatnonzero((radii >= near.max(0)) & (radii > 1.02 * near.min(0)))
    corners = corners[np.diff(corners, prepend=-9) > 3]
    if len(corners) > 5 and rng.random() < 0.6:  # the three faces of a box seen from a corner
        corners = corners[::2]
    if len(corners) < 3:
        corners = np.sort(rng.choice(ANGLES, 5, replace=False))
    shade = rng.normal(0, 0.1, len(corners) + 1).astype(np.float32)
    shade[-1] = shade[0]
    face = np.searchsorted(corners, angle)
    value = shade[face]
    if rng.random() < 0.4:
        value = np.where(relative < rng.uniform(0.3, 0.75), np.float32(rng.normal(0, 0.1)), value)
    return value


class Scene:
    """An image in the making: brightness `img` float32 and object ids `lab` int32, both [h, w]."""

    def __init__(self, img):
        self.img = img.astype(np.float32)
        self.lab = np.zeros(img.shape, np.int32)
        self.drawn = [0]  # pixels of each object before later ones hid some

    def patch(self, y, x, margin):
        """Slices around (Y, X) and the offsets from it, or None outside the image."""
        h, w = self.img.shape
        y0, y1 = max(int(y - margin), 0), min(int(y + margin) + 2, h)
        x0, x1 = max(int(x - margin), 0), min(int(x + margin) + 2, w)
        if y0 >= y1 or x0 >= x1:
            return None
        dy = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(x0, x1, dtype=np.float32)[None, :] - np.float32(x)
        return (slice(y0, y1), slice(x0, x1)), dy, dx

    def claim(self, box, inside):
        """A new id for the pixels INSIDE of BOX."""
        self.lab[box][inside] = len(self.drawn)
        self.drawn.append(int(inside.sum()))

    def finish(self, least_part=0.15):
        """Labels without objects of which little is left to see."""
        left = np.bincount(self.lab.ravel(), minlength=len(self.drawn))
        keep = (left >= 6) & (left >= least_part * np.array(self.drawn))
        return self.lab * keep[self.lab]


def signed_depth(radii, dy, dx):
    """About the distance in px to the outline RADII, positive inside; and the relative radius."""
    angle = np.arctan2(dy, dx) * (ANGLES / (2 * np.pi))
    i = np.floor(angle).astype(np.int32) % ANGLES
    slope = (np.roll(radii, -1) - np.roll(radii, 1)) / (2 * (THETA[1] - THETA[0]))
    steep = (1 / np.sqrt(1 + (slope / radii) ** 2)).astype(np.float32)
    rho = np.sqrt(dy * dy + dx * dx)
    r = radii.astype(np.float32)[i]
    return (r - rho) * steep[i], rho / r


@dataclasses.dataclass
class Look:
    """How objects of a scene look; brightness in units of the full range."""

    base: float = 0.5
    spread: float = 0.04  # from object to object
    edge: float = 0.3  # brightening toward the outline
    edge_power: float = 3.0
    light: float = 0.1  # shading by a detector to one side
    light_angle: float = 0.0
    grain: float = 0.05  # texture inside
    shadow: float = 0.2  # darkening around
    shadow_px: float = 4.0
    relief: str = "round"  # round, flat or facets
    bevel: float = 0.3  # width of a flat object's slope over its radius
    rim: float = 0.0  # thin line at the outline


def random_look(rng, ground):
    """Look of SEM particles on a ground of brightness GROUND."""
    bright = rng.random() < 0.8
    step = rng.uniform(0.08, 0.45)
    return Look(
        base=float(np.clip(ground + (step if bright else -step), 0.05, 0.9)),
        spread=rng.uniform(0, 0.08),
        edge=rng.choice([0, rng.uniform(0.1, 0.5)], p=[0.2, 0.8]),
        edge_power=rng.uniform(1.5, 8),
        light=abs(rng.normal(0, 0.15)),
        light_angle=rng.uniform(0, 2 * np.pi),
        grain=abs(rng.normal(0, 0.06)),
        shadow=rng.choice([0, rng.uniform(0.1, 0.6)], p=[0.3, 0.7]),
        shadow_px=rng.uniform(1.5, 9),
        relief=rng.choice(["round", "flat", "facets"], p=[0.7, 0.2, 0.1]),
        bevel=rng.uniform(0.1, 0.6),
        rim=rng.choice([0, rng.uniform(0, 0.3)], p=[0.8, 0.2]),
    )


def paint(scene, rng, y, x, radii, look, texture, fog=0.0, label=True):
    """Draws an opaque object as an SEM sees it; FOG 0..1 dims it, as deep in a pile."""
    far = radii.max()
    found = scene.patch(y, x, far + 2 + 2 * look.shadow_px * (look.shadow > 0))
    if found is None:
        return
    box, dy, dx = found
    depth, relative = signed_depth(radii, dy, dx)
    cover = np.clip(depth + 0.5, 0, 1)
    inside = depth > 0
    if label and inside.sum() < 6:
        return
    small = radii.min()
    if look.relief == "round":
        t = np.clip(1 - relative, 0, 1)
    else:
        t = np.clip(depth / max(look.bevel * small, 1), 0, 1)
    slope = (1 - t) ** look.edge_power
    rho = np.sqrt(dy * dy + dx * dx) + 1e-3
    lit = (dx * np.cos(look.light_angle) + dy * np.sin(look.light_angle)) / rho * (1 - t)
    value = look.base + rng.normal(0, look.spread) + look.edge * slope + look.light * lit
    if look.relief == "facets":
        angle = np.floor(np.arctan2(dy, dx) * (ANGLES / (2 * np.pi))).astype(np.int32) % ANGLES
        value = value + facets(rng, radii, angle, relative)
    if look.rim:
        value = value + look.rim * np.exp(-np.maximum(depth, 0) / 1.2)
    ph, pw = depth.shape
    oy = rng.integers(0, texture.shape[0] - ph + 1)
    ox = rng.integers(0, texture.shape[1] - pw + 1)
    value = value + look.grain * texture[oy : oy + ph, ox : ox + pw]
    value = value * (1 - fog)
    img = scene.img[box]
    if look.shadow:
        img = img * (1 - look.shadow * np.exp(np.minimum(depth, 0) / look.shadow_px))
    scene.img[box] = img + (value - img) * cover
    if label:
        scene.claim(box, inside)


def absorb(scene, rng, y, x, radii, mu, texture, grain, solid=0.5, label=True):
    """Weakens the beam through an object (Beer-Lambert): overlapping ones add up, as in a TEM.

    MU is the absorption at full thickness; SOLID 0 is a plate, 1 a ball.
    """
    found = scene.patch(y, x, radii.max() + 2)
    if found is None:
        return
    box, dy, dx = found
    depth, relative = signed_depth(radii, dy, dx)
    inside = depth > 0
    if label and inside.sum() < 6:
        return
    cover = np.clip(depth + 0.5, 0, 1)
    ball = np.sqrt(np.clip(1 - relative**2, 0, 1))
    ph, pw = depth.shape
    oy = rng.integers(0, texture.shape[0] - ph + 1)
    ox = rng.integers(0, texture.shape[1] - pw + 1)
    thick = (1 - solid + solid * ball) * (1 + grain * texture[oy : oy + ph, ox : ox + pw])
    scene.img[box] *= np.exp(-mu * cover * np.maximum(thick, 0))
    if label:
        scene.claim(box, inside)


def diameters(rng, count, low=6.0, high=150.0):
    """COUNT diameters in px: log-normal, now and then of two populations."""
    median = np.exp(rng.uniform(np.log(8), np.log(70)))
    d = median * np.exp(rng.normal(0, rng.choice([0.05, 0.2, 0.4, 0.6]), count))
    if rng.random() < 0.25:
        d = np.where(rng.random(count) < 0.7, d * rng.uniform(0.25, 0.5), d * 1.5)
    return np.clip(d, low, high)


def scatter(rng, h, w, d, overlap=0.0, tries=4):
    """Rows (y, x, d) for diameters D, large first, none nearer than (1 - OVERLAP) of touching."""
    d = np.sort(d)[::-1]
    placed, n = np.zeros((len(d), 3)), 0
    for each in d:
        for _ in range(tries):
            y = rng.uniform(-each * 0.3, h + each * 0.3)
            x = rng.uniform(-each * 0.3, w + each * 0.3)
            p = placed[:n]
            reach = (p[:, 2] + each) / 2 * (1 - overlap)
            if not ((p[:, 0] - y) ** 2 + (p[:, 1] - x) ** 2 < reach**2).any():
                placed[n] = y, x, each
                n += 1
                break
    return placed[:n]


def cluster(rng, h, w, d, clusters, overlap, flat=False):
    """Places for diameters D in heaps: each touches or overlaps an earlier one of its heap.

    FLAT: no two overlap by more than OVERLAP, so that each can be seen through the others.
    """
    placed = np.zeros((len(d), 3))
    kept = np.ones(len(d), bool)
    for i, each in enumerate(d):
        if i < clusters:
            placed[i] = rng.uniform(0.1, 0.9) * h, rng.uniform(0.1, 0.9) * w, each
            continue
        for _ in range(20 if flat else 5):
            j = rng.integers(i)
            if not kept[j]:
                continue
            reach = (placed[j, 2] + each) / 2 * (1 - overlap * rng.random())
            a = rng.uniform(0, 2 * np.pi)
            y, x = placed[j, 0] + reach * np.sin(a), placed[j, 1] + reach * np.cos(a)
            if not (0 < y < h and 0 < x < w):
                continue
            near = (placed[:i, 2] + each) / 2 * (1 - overlap) - 0.01
            clash = (placed[:i, 0] - y) ** 2 + (placed[:i, 1] - x) ** 2 < near**2
            if not flat or not (clash & kept[:i]).any():
                placed[i] = y, x, each
                break
        else:
            kept[i] = False
    return placed[kept]


def lattice(rng, h, w, d, most):
    """A close-packed layer of about the median of D, MOST objects, with jitter and holes."""
    size = max(np.median(d), np.sqrt(h * w / most / 0.866))
    pitch = size * rng.uniform(0.98, 1.15)
    side = np.hypot(h, w) / 2 + pitch
    n = int(side / pitch / 0.866) + 1
    cy, cx = (v.ravel().astype(float) for v in np.mgrid[-n : n + 1, -n : n + 1])
    cx = (cx + 0.5 * (cy % 2)) * pitch
    cy = cy * pitch * 0.866
    a = rng.uniform(0, np.pi / 3)
    y, x = cy * np.cos(a) + cx * np.sin(a) + h / 2, cx * np.cos(a) - cy * np.sin(a) + w / 2
    seen = (np.abs(y - h / 2) < h / 2 + pitch) & (np.abs(x - w / 2) < w / 2 + pitch)
    y, x = y[seen], x[seen]
    jitter = pitch * rng.uniform(0, 0.08)
    keep = rng.random(len(y)) > rng.choice([0.02, 0.2, 0.6])
    each = size * np.exp(rng.normal(0, 0.04, len(y)))
    y, x = y + rng.normal(0, jitter, len(y)), x + rng.normal(0, jitter, len(y))
    return np.stack([y, x, each], 1)[keep]
