"""Synthetic electron micrographs with exact outlines, in the folders that prep.py reads.

python3 synth.py OUT N [--seed S] [--kinds KIND...] [--split train|val]
python3 synth.py --check

Writes N images, the kinds in turn, as OUT/segmentation/synth_<kind>/{img,lab}/NAME.png, with
index.csv and split.csv. The same seed, kinds and N give the same files. Labels: 0 = background
(text and panels too), 1..n = objects. An object that another cuts in two keeps one id in a val set; in a
train set each part is an object of its own, since the flow targets of one object must be connected.
"""

import argparse
import csv
import pathlib
import sys

import cv2
import numpy as np
import scipy.ndimage

import synth_camera as camera
import synth_empty
import synth_fibres
import synth_filled
import synth_inclusions
import synth_particles
import synth_shapes
import synth_transmission

KINDS = {
    "grains": synth_filled.grains,
    "sand": synth_filled.sand,
    "cells": synth_filled.cells,
    "axons": synth_filled.axons,
    "precipitates": synth_inclusions.precipitates,
    "carbides": synth_inclusions.carbides,
    "pores": synth_inclusions.pores,
    "fibres": synth_fibres.fibres,
    "nanorods": synth_fibres.nanorods,
    "spheres": synth_particles.spheres,
    "crystals": synth_particles.crystals,
    "powder": synth_particles.powder,
    "agglomerates": synth_particles.agglomerates,
    "tem": synth_transmission.tem,
    "coreshell": synth_transmission.coreshell,
    "empty": synth_empty.empty,
    "blank": synth_empty.blank,
}
WITHOUT_OBJECTS = ("empty", "blank")
MIXED = [kind for kind in KINDS if kind != "blank"]  # what is made when no kind is named
SIDES_PX = (512, 768)
LEAST_PX = 12  # a smaller part is no object,
LEAST_SHARE = 0.05  # nor is one below this share of the object's largest part
# Images of --split val come from other random numbers than those of the same seed for training.
STREAMS = {"train": 0, "val": 1}


def parts(lab, apart):
    """LAB with ids 1..n and without specks; APART: every connected part gets its own id."""
    whole, n = np.zeros_like(lab), 0
    for pieces in components(lab):
        least = max(LEAST_PX, LEAST_SHARE * max(len(p[0]) for p in pieces))
        pieces = [p for p in pieces if len(p[0]) >= least]
        for i, piece in enumerate(pieces):
            n += 1 if apart or i == 0 else 0
            whole[piece] = n
    return whole


def components(lab):
    """For each id of LAB the list of its connected parts as (rows, columns)."""
    for k, box in enumerate(scipy.ndimage.find_objects(lab), 1):
        if box is None:
            continue
        marks, count = scipy.ndimage.label(lab[box] == k)
        found = []
        for j in range(1, count + 1):
            ys, xs = np.nonzero(marks == j)
            found.append((ys + box[0].start, xs + box[1].start))
        yield found


def make(kind, seed, split, number):
    """Image uint8 and labels uint16 of one picture."""
    rng = np.random.default_rng([seed, STREAMS[split], list(KINDS).index(kind), number])
    h, w = (int(v) for v in rng.integers(SIDES_PX[0], SIDES_PX[1] + 1, 2))
    img, lab = KINDS[kind](rng, h, w)
    decorations = 0.5 if kind in WITHOUT_OBJECTS else 0.25
    image, lab = camera.take(rng, img.astype(np.float32), lab, decorations)
    return image, parts(lab, split == "train").astype(np.uint16)


def save(path, image):
    if not cv2.imwrite(str(path), image):
        sys.exit(f"synth: cannot write {path}; is the folder writable and the disk not full?")


def generate(args):
    root = args.out / "segmentation"
    rows = []
    for i in range(args.n):
        kind, number = args.kinds[i % len(args.kinds)], i // len(args.kinds)
        dataset, name = f"synth_{kind}", f"{args.split[0]}{args.seed}_{number:04d}"
        image, lab = make(kind, args.seed, args.split, number)
        for folder, what in (("img", image), ("lab", lab)):
            (root / dataset / folder).mkdir(parents=True, exist_ok=True)
            save(root / dataset / folder / f"{name}.png", what)
        rows.append((dataset, name, image.shape[1], image.shape[0], int(lab.max()), args.split))
    with open(root / "index.csv", "w", newline="") as f:
        table = csv.writer(f)
        table.writerow(["dataset", "name", "width", "height", "instances"])
        table.writerows(r[:5] for r in rows)
    with open(root / "split.csv", "w", newline="") as f:
        table = csv.writer(f)
        table.writerow(["dataset", "name", "split"])
        table.writerows((r[0], r[1], r[5]) for r in rows)


def check_outline():
    """A blurred disc crosses half height on its outline: equal areas within 1 %."""
    scene = synth_shapes.Scene(np.zeros((96, 96)))
    look = synth_shapes.Look(base=1, spread=0, edge=0, light=0, grain=0, shadow=0)
    radii = synth_shapes.superellipse(30, 30, 2)
    synth_shapes.paint(scene, np.random.default_rng(0), 48.3, 47.6, radii, look, scene.img.copy())
    half = cv2.GaussianBlur(scene.img, (0, 0), 1.5) > 0.5
    areas = half.sum(), (scene.lab > 0).sum(), np.pi * 30**2
    assert max(areas) < 1.01 * min(areas), f"outline is not at half height: areas {areas}"


def check():
    """One image of each kind: the same twice, ids without gaps, no specks, connected objects."""
    check_outline()
    for kind in KINDS:
        image, lab = make(kind, 0, "train", 0)
        again, lab_again = make(kind, 0, "train", 0)
        assert (image == again).all() and (lab == lab_again).all(), f"{kind}: not the same twice"
        assert image.dtype == np.uint8 and lab.dtype == np.uint16 and image.shape == lab.shape, kind
        sizes = np.bincount(lab.ravel())[1:]
        assert (sizes >= LEAST_PX).all(), f"{kind}: id missing or smaller than {LEAST_PX} px"
        assert (len(sizes) == 0) == (kind in WITHOUT_OBJECTS), f"{kind}: {len(sizes)} objects"
        parted = [p for p in components(lab.astype(np.int32)) if len(p) > 1]
        assert not parted, f"{kind}: {len(parted)} objects in parts"
        print(f"{kind}: {len(sizes)} objects")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path, nargs="?", help="output folder")
    parser.add_argument("n", type=int, nargs="?", help="number of images")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=MIXED, choices=KINDS, metavar="KIND")
    parser.add_argument("--split", choices=STREAMS, default="train")
    parser.add_argument("--check", action="store_true", help="test the generator and stop")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.check:
        return check()
    if args.out is None or args.n is None:
        parser.error("OUT and N are needed; see --help")
    generate(args)


if __name__ == "__main__":
    main()
