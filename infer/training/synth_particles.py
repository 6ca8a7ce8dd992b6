"""Scenes of separate, touching and overlapping particles. Each returns brightness and labels."""

import numpy as np

import synth_shapes as shapes
import synth_texture as texture
from synth_ground import MANY, distract, film, ground, how_many, sized
from synth_transmission import translucent


def spheres(rng, h, w):
    """Balls that touch or overlap: layers, heaps, close packing, thousands in one field."""
    kind = rng.choice(["disc", "ellipse"], p=[0.85, 0.15])
    way = rng.choice(["pile", "cluster", "lattice"], p=[0.4, 0.35, 0.25])
    return heaped(rng, h, w, kind, way)


def crystals(rng, h, w):
    """Boxes, facetted and rough particles, eggs; apart from each other or heaped."""
    kind = rng.choice(["ellipse", "box", "crystal", "rough", "blob", "disc"])
    way = rng.choice(["scatter", "pile", "cluster", "lattice"], p=[0.45, 0.2, 0.25, 0.1])
    return heaped(rng, h, w, kind, way)


def heaped(rng, h, w, kind, way):
    """Particles of an outline KIND, placed in a WAY."""
    img, level = ground(rng, h, w)
    scene = shapes.Scene(img)
    grain = texture.any_texture(rng, h, w)
    look = shapes.random_look(rng, level)
    if kind in ("box", "crystal"):
        look.relief = rng.choice(["round", "flat", "facets"], p=[0.2, 0.35, 0.45])
    if rng.random() < 0.15:  # raspberries and flowers: bumps that are no objects of their own
        grain = texture.pebbled(rng, h, w, rng.uniform(5, 16))
        look.grain = rng.uniform(0.05, 0.15)
    low, high = (0.05, 0.6) if way == "scatter" else (0.2, 1.8)
    d = sized(rng, h, w, low, high)
    if way == "scatter":
        places = shapes.scatter(rng, h, w, d, rng.uniform(-0.3, 0.05))
    elif way == "pile":
        places = np.column_stack([rng.uniform(0, h, len(d)), rng.uniform(0, w, len(d)), d])
    elif way == "cluster":
        heaps = int(rng.integers(1, 2 + len(d) // 15))
        places = shapes.cluster(rng, h, w, d, heaps, rng.uniform(0, 0.4))
    else:
        places = shapes.lattice(rng, h, w, d, MANY)
    places = rng.permutation(places)
    if way == "lattice" and rng.random() < 0.5:  # a second layer
        upper = shapes.lattice(rng, h, w, places[:, 2], MANY)
        places = np.concatenate([places, upper[rng.random(len(upper)) < rng.uniform(0.05, 0.7)]])
    deep = 0 if way == "scatter" else rng.uniform(0, 0.6)
    for i, (y, x, size) in enumerate(places):
        fog = deep * (1 - i / len(places)) ** 2
        shapes.paint(scene, rng, y, x, shapes.outline(rng, kind, size / 2), look, grain, fog)
    distract(rng, scene, grain, level)
    return scene.img, scene.finish()


def powder(rng, h, w):
    """Metal powder: balls of very different size on dark ground, satellites, wrinkled skins."""
    img, level = ground(rng, h, w, 0.02, 0.2)
    scene = shapes.Scene(img)
    skin = texture.any_texture(rng, h, w)
    if rng.random() < 0.6:
        skin = texture.ridged(rng, h, w, rng.uniform(5, 20))
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
                r = shapes.outline(rng, "disc", max(small / 2, 3))
                shapes.paint(scene, rng, *at, r, look, skin, fog)
    return scene.img, scene.finish()


def agglomerates(rng, h, w):
    """Heaps of small primary particles, as of flame-made oxides."""
    through = rng.random() < 0.35
    img, level = ground(rng, h, w, 0.03, 0.35)
    scene = shapes.Scene(film(rng, h, w) if through else img)
    grain = texture.grainy(rng, h, w, rng.uniform(0.6, 2))
    median = np.exp(rng.uniform(np.log(9), np.log(45)))
    d = np.clip(median * np.exp(rng.normal(0, rng.uniform(0.1, 0.4), MANY)), 6, 150)
    d = d[: how_many(rng, h, w, d, 0.3, 2.5)]
    heaps = int(rng.integers(1, 3 + len(d) // 25))
    places = shapes.cluster(rng, h, w, d, heaps, rng.uniform(0.1, 0.5), through)
    kind = rng.choice(["disc", "ellipse", "crystal", "box", "rough"])
    if through:
        return translucent(rng, scene, places, kind)
    look = shapes.random_look(rng, level)
    look.base = rng.uniform(0.35, 0.65)
    look.edge = rng.uniform(0.1, 0.4)
    look.shadow = rng.uniform(0.15, 0.6)
    look.shadow_px = median * rng.uniform(0.08, 0.25)
    look.relief = rng.choice(["round", "flat", "facets"], p=[0.4, 0.4, 0.2])
    high = texture.fractal(rng, h, w, median * 4)  # what stands higher is drawn later, brighter
    at = np.clip(places[:, :2], 0, [h - 1, w - 1]).astype(int)
    order = high[at[:, 0], at[:, 1]] + rng.normal(0, 0.5, len(places))
    for rank, i in enumerate(np.argsort(order)):
        y, x, size = places[i]
        fog = 0.55 * (1 - rank / len(places)) ** 2
        shapes.paint(scene, rng, y, x, shapes.outline(rng, kind, size / 2), look, grain, fog)
    return scene.img, scene.finish(0.25)
