"""Scenes of separate, touching and overlapping particles. Each returns brightness and labels."""

import cv2
import numpy as np

import synth_shapes as shapes
import synth_texture as texture

MANY = 3000


def ground(rng, h, w, low=0.05, high=0.6):
    """A textured support and its brightness."""
    level = rng.uniform(low, high)
    field = rng.uniform(0.005, 0.09) * texture.any_texture(rng, h, w)
    field = field + rng.uniform(0, 0.06) * texture.fractal(rng, h, w, rng.uniform(80, 300))
    return level + field, level


def distract(rng, scene, texture_field, level):
    """Some dirt, holes and scratches that are no objects."""
    h, w = scene.img.shape
    for _ in range(rng.integers(0, 25)):
        r = shapes.outline(rng, "rough", rng.uniform(1, 3))
        look = shapes.Look(level + rng.normal(0, 0.15), grain=0.05, edge=0.05)
        shapes.paint(scene, rng, rng.uniform(0, h), rng.uniform(0, w), r, look, texture_field, label=False)
    for _ in range(rng.integers(0, 3)):
        a = rng.uniform(0, [w, h], (2, 2)).astype(int)
        layer = np.zeros((h, w), np.float32)
        cv2.line(layer, tuple(map(int, a[0])), tuple(map(int, a[1])), 1.0, int(rng.integers(1, 3)), cv2.LINE_AA)
        scene.img += layer * float(rng.normal(0, 0.08))


def how_many(rng, h, w, d, low, high):
    """Objects of mean diameter D that cover a share LOW..HIGH of the field."""
    cover = np.exp(rng.uniform(np.log(low), np.log(high)))
    return int(np.clip(cover * h * w / (np.pi / 4 * np.mean(d**2)), 1, MANY))


def sized(rng, h, w, low, high):
    d = shapes.diameters(rng, MANY)
    return d[: how_many(rng, h, w, d, low, high)]


def spheres(rng, h, w):
    """Balls and other convex particles: layers, heaps, close packing, thousands in one field."""
    img, level = ground(rng, h, w)
    scene = shapes.Scene(img)
    grain = texture.any_texture(rng, h, w)
    look = shapes.random_look(rng, level)
    way = rng.choice(["scatter", "pile", "cluster", "lattice"], p=[0.2, 0.35, 0.25, 0.2])
    d = sized(rng, h, w, 0.05, 0.6 if way == "scatter" else 1.6)
    if way == "scatter":
        places = shapes.scatter(rng, h, w, d, 0.0)
    elif way == "pile":
        places = np.column_stack([rng.uniform(0, h, len(d)), rng.uniform(0, w, len(d)), d])
    elif way == "cluster":
        places = shapes.cluster(rng, h, w, d, int(rng.integers(1, 2 + len(d) // 15)), rng.uniform(0, 0.4))
    else:
        places = shapes.lattice(rng, h, w, d)
    places = rng.permutation(places)
    kind = rng.choice(["disc", "ellipse", "box", "crystal", "rough"], p=[0.5, 0.15, 0.1, 0.1, 0.15])
    deep = rng.uniform(0, 0.6) if way in ("pile", "cluster") else 0
    for i, (y, x, size) in enumerate(places):
        fog = deep * (1 - i / len(places)) ** 2
        shapes.paint(scene, rng, y, x, shapes.outline(rng, kind, size / 2), look, grain, fog)
    distract(rng, scene, grain, level)
    return scene.img, scene.finish()


def powder(rng, h, w):
    """Metal powder: balls of very different size on a dark ground, with satellites and wrinkled skins."""
    img, level = ground(rng, h, w, 0.02, 0.2)
    scene = shapes.Scene(img)
    skin = texture.ridged(rng, h, w, rng.uniform(5, 20)) if rng.random() < 0.6 else texture.any_texture(rng, h, w)
    look = shapes.Look(
        base=rng.uniform(0.25, 0.5),
        spread=0.06,
        edge=rng.uniform(0.15, 0.5),
        edge_power=rng.uniform(2, 7),
        light=rng.uniform(0, 0.15),
        light_angle=rng.uniform(0, 7),
        grain=rng.uniform(0.02, 0.1),
        shadow=rng.uniform(0, 0.6),
        shadow_px=rng.uniform(2, 10),
    )
    median = np.exp(rng.uniform(np.log(12), np.log(60)))
    d = np.clip(median * np.exp(rng.normal(0, rng.uniform(0.3, 0.65), MANY)), 6, 150)
    d = d[: how_many(rng, h, w, d, 0.2, 1.1)]
    if rng.random() < 0.6:
        places = shapes.scatter(rng, h, w, d, rng.uniform(0, 0.25))
    else:
        places = np.column_stack([rng.uniform(0, h, len(d)), rng.uniform(0, w, len(d)), d])
    places = places[np.argsort(-places[:, 2] + rng.normal(0, median * 0.4, len(places)))]
    for i, (y, x, size) in enumerate(places):
        fog = 0.45 * (1 - i / len(places)) ** 3
        odd = rng.random()
        kind = "disc" if odd < 0.8 else "blob" if odd < 0.9 else "ellipse"
        shapes.paint(scene, rng, y, x, shapes.outline(rng, kind, size / 2), look, skin, fog)
        if size > 25 and rng.random() < 0.3:
            for _ in range(rng.integers(1, 4)):
                a, small = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.12, 0.35)
                reach = (size + small) / 2 * rng.uniform(0.7, 0.95)
                at = y + reach * np.sin(a), x + reach * np.cos(a)
                shapes.paint(scene, rng, *at, shapes.outline(rng, "disc", max(small / 2, 3)), look, skin, fog)
    return scene.img, scene.finish()


def agglomerates(rng, h, w):
    """Heaps of small primary particles, as of flame-made oxides."""
    img, level = ground(rng, h, w, 0.03, 0.35)
    scene = shapes.Scene(img)
    grain = texture.grainy(rng, h, w, rng.uniform(0.6, 2))
    median = np.exp(rng.uniform(np.log(9), np.log(45)))
    d = np.clip(median * np.exp(rng.normal(0, rng.uniform(0.1, 0.4), MANY)), 6, 150)
    d = d[: how_many(rng, h, w, d, 0.2, 2.0)]
    places = shapes.cluster(rng, h, w, d, int(rng.integers(1, 2 + len(d) // 25)), rng.uniform(0.1, 0.5))
    look = shapes.random_look(rng, level)
    look.base = rng.uniform(0.35, 0.65)
    look.edge = rng.uniform(0.1, 0.4)
    look.shadow = rng.uniform(0.15, 0.6)
    look.shadow_px = median * rng.uniform(0.08, 0.25)
    look.relief = rng.choice(["round", "flat"])
    kind = rng.choice(["disc", "ellipse", "crystal", "box", "rough"])
    high = texture.fractal(rng, h, w, median * 4)  # what stands higher is drawn later and is brighter
    order = np.array([high[int(np.clip(y, 0, h - 1)), int(np.clip(x, 0, w - 1))] for y, x, _ in places])
    order = order + rng.normal(0, 0.5, len(order))
    for rank, i in enumerate(np.argsort(order)):
        y, x, size = places[i]
        fog = 0.55 * (1 - rank / len(places)) ** 2
        shapes.paint(scene, rng, y, x, shapes.outline(rng, kind, size / 2), look, grain, fog)
    return scene.img, scene.finish(0.25)


def film(rng, h, w):
    """Carbon support of a TEM grid: grainy, of uneven thickness, here and there a hole."""
    img = rng.uniform(0.55, 0.9) + rng.uniform(0.005, 0.07) * texture.grainy(rng, h, w, rng.uniform(0.7, 2.2))
    img = img + rng.uniform(0, 0.05) * texture.fractal(rng, h, w, rng.uniform(60, 300))
    if rng.random() < 0.15:
        hole = texture.fractal(rng, h, w, rng.uniform(80, 250), 0.3) > rng.uniform(0.8, 1.8)
        rim = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 3)
        img = np.where(hole, 0.97, img) - 0.12 * rim * (1 - rim) * 4 * (rng.random() < 0.6)
    return img


def tem(rng, h, w):
    """Bright field: dark discs and crystals whose absorption adds up where they overlap."""
    scene = shapes.Scene(film(rng, h, w))
    inside = texture.any_texture(rng, h, w)
    d = sized(rng, h, w, 0.03, 0.5)
    way = rng.choice(["scatter", "touch", "pile", "lattice"], p=[0.4, 0.25, 0.2, 0.15])
    if way == "scatter":
        places = shapes.scatter(rng, h, w, d, rng.uniform(-0.3, 0.05))
    elif way == "touch":
        places = shapes.cluster(rng, h, w, d, int(rng.integers(1, 2 + len(d) // 8)), rng.uniform(0, 0.15))
    elif way == "lattice":
        places = shapes.lattice(rng, h, w, d)
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
        places = shapes.cluster(rng, h, w, d, int(rng.integers(1, 2 + len(d) // 5)), rng.uniform(0, 0.2))
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
                shapes.paint(scene, rng, y + off[0], x + off[1], r * part * 0.7, dark, inside, label=False)
    return scene.img, scene.finish(0.2)


def precipitates(rng, h, w):
    """Gamma-prime-like particles of one or two sizes, faint, in a matrix with texture."""
    level = rng.uniform(0.3, 0.7)
    img = level + rng.uniform(0.002, 0.03) * texture.any_texture(rng, h, w)
    img = img + rng.uniform(0, 0.02) * texture.brushed(rng, h, w)
    img = img + rng.uniform(0, 0.05) * texture.fractal(rng, h, w, rng.uniform(60, 300))
    scene = shapes.Scene(img)
    inside = texture.any_texture(rng, h, w)
    step = rng.choice([-1, 1], p=[0.65, 0.35]) * rng.uniform(0.04, 0.25)
    rim = rng.choice([0, rng.uniform(-0.15, 0.15)])
    look = shapes.Look(level + step, 0.012, 0, 1, 0, 0, rng.uniform(0.002, 0.03), 0, 1, "flat", 0.2, rim)
    small = np.exp(rng.uniform(np.log(6), np.log(22)))
    large = small * rng.uniform(2.5, 7)
    d = np.clip(small * np.exp(rng.normal(0, 0.25, MANY)), 6, 45)
    d = d[: how_many(rng, h, w, d, 0.04, 0.35)]
    if rng.random() < 0.6:
        big = np.clip(large * np.exp(rng.normal(0, 0.35, MANY)), 6, 150)
        d = np.concatenate([d, big[: how_many(rng, h, w, big, 0.1, 0.6)]])
    halo = rng.uniform(-0.3, 0.05) if rng.random() < 0.7 else 0
    places = shapes.scatter(rng, h, w, d, halo, 6)
    kind = rng.choice(["box", "disc", "blob", "crystal"], p=[0.45, 0.25, 0.2, 0.1])
    aligned = kind == "box" and rng.random() < 0.7
    a = int(rng.integers(shapes.ANGLES))
    glow = rng.choice([0, rng.uniform(-0.08, 0.12)])
    mask = np.zeros((h, w), np.float32)
    for y, x, size in places:
        if aligned:
            r = shapes.superellipse(1, rng.uniform(0.7, 1), rng.uniform(2.5, 7)) * shapes.blob(rng, 1, 0.04, 5)
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


def carbides(rng, h, w):
    """Spheroidite: small bright ellipses, rods and some large bodies in an etched matrix."""
    level = rng.uniform(0.15, 0.45)
    matrix = texture.brushed(rng, h, w) + texture.fractal(rng, h, w, rng.uniform(6, 20), 0.8)
    img = level + rng.uniform(0.02, 0.09) * matrix
    scene = shapes.Scene(img)
    inside = texture.fractal(rng, h, w, 20, 0.6)
    step = rng.uniform(0.15, 0.5) * rng.choice([1, -0.6], p=[0.85, 0.15])
    look = shapes.Look(
        level + step, rng.uniform(0.02, 0.12), rng.uniform(0, 0.25), 3, rng.uniform(0, 0.2), rng.uniform(0, 7), 0.04,
        rng.uniform(0, 0.5), 2.5, "flat", 0.4,
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
    img = level + rng.uniform(0.01, 0.08) * texture.any_texture(rng, h, w)
    scene = shapes.Scene(img)
    inside = texture.any_texture(rng, h, w)
    d = sized(rng, h, w, 0.03, 0.5)
    places = shapes.scatter(rng, h, w, d, rng.uniform(-0.3, 0.05))
    kind = rng.choice(["disc", "ellipse", "blob", "rough", "box"])
    rim, reach = rng.uniform(0, 0.3), rng.uniform(1, 5)
    look = shapes.Look(
        rng.uniform(0.02, 0.25), 0.04, rng.uniform(-0.1, 0.15), 2, rng.uniform(0, 0.25), rng.uniform(0, 7),
        rng.uniform(0.01, 0.06), 0, 1, rng.choice(["round", "flat"]), 0.5,
    )
    for y, x, size in places:
        r = shapes.outline(rng, kind, size / 2)
        shapes.paint(scene, rng, y, x, r, look, inside)
    wall = (scene.lab == 0).astype(np.float32)
    scene.img += rim * wall * 2 * (1 - cv2.GaussianBlur(wall, (0, 0), reach))
    distract(rng, scene, inside, level)
    return scene.img, scene.finish()
