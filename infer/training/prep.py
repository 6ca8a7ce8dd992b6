"""Training data with flow targets: one .npz per image.

python3 prep.py DATA NPZDIR

DATA holds segmentation/<set>/img/NAME.png (8-bit grey), segmentation/<set>/lab/NAME.png (16-bit,
0 = background, 1..N = object), index.csv (dataset,name,...) and split.csv (dataset,name,split).
Each image becomes NPZDIR/<split>_<set>_<name>.npz with im uint8 [h, w], lab uint16 [h, w] and
fl float16 [2, h, w], the unit flow (dy, dx) toward each object's centre.
"""

import argparse
import csv
import pathlib
import sys

import cv2
import numpy as np

import native

# Challenge terms that allow research only: shipped weights must not learn from it.
EXCLUDED_SETS = ("isbi2012_cells",)


def flows(labels):
    """Unit flow (dy, dx), float32 [h, w] each, toward every object's centre; labels int32, 0 = background."""
    labels = np.ascontiguousarray(labels, np.int32)
    height, width = labels.shape
    fy = np.zeros((height, width), np.float32)
    fx = np.zeros((height, width), np.float32)
    native.load("targets").label_flows(
        native.pointer(labels),
        height,
        width,
        int(labels.max()),
        native.pointer(fy),
        native.pointer(fx),
    )
    return fy, fx


def relabel(labels):
    """The same objects with ids 1..n without gaps, int32."""
    ids, inverse = np.unique(labels, return_inverse=True)
    inverse = inverse.reshape(labels.shape)
    return (inverse if ids[0] == 0 else inverse + 1).astype(np.int32)


def read_png(path, flags):
    image = cv2.imread(str(path), flags)
    if image is None:
        sys.exit(
            f"prep: {path} is missing or no image; DATA must hold the folders that index.csv names"
        )
    return image


def rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path, help="folder with segmentation/")
    parser.add_argument("npz", type=pathlib.Path, help="output folder")
    parser.add_argument(
        "--exclude",
        nargs="*",
        default=list(EXCLUDED_SETS),
        metavar="SET",
        help=f"sets to leave out (default: {' '.join(EXCLUDED_SETS)})",
    )
    args = parser.parse_args()

    root = args.data / "segmentation"
    args.npz.mkdir(parents=True, exist_ok=True)
    split = {(r["dataset"], r["name"]): r["split"] for r in rows(root / "split.csv")}
    for r in rows(root / "index.csv"):
        dataset, name = r["dataset"], r["name"]
        if dataset in args.exclude:
            continue
        image = read_png(root / dataset / "img" / f"{name}.png", cv2.IMREAD_GRAYSCALE)
        labels = relabel(read_png(root / dataset / "lab" / f"{name}.png", cv2.IMREAD_UNCHANGED))
        np.savez(
            args.npz / f"{split[dataset, name]}_{dataset}_{name}.npz",
            im=image,
            lab=labels.astype(np.uint16),
            fl=np.stack(flows(labels)).astype(np.float16),
        )


if __name__ == "__main__":
    main()
