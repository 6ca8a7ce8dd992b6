"""Training data with flow targets: one .npz per image.

python3 prep.py DATA NPZDIR

DATA is a folder of labelled images; pairs.py says which. Each image becomes
NPZDIR/<split>_<set>_<name>.npz with im uint8 [h, w], lab uint16 [h, w] and fl float16 [2, h, w], the
unit flow (dy, dx) toward each object's centre.
"""

import argparse
import pathlib
import sys

import cv2
import numpy as np

import native
import pairs

# Labels are kept as 16-bit numbers.
MOST_OBJECTS = 65535


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


def read(path, flags):
    image = cv2.imread(str(path), flags)
    if image is None:
        sys.exit(f"prep: {path} is missing or no image")
    return image


def read_pair(pair):
    """Image uint8 and labels int32 1..n of PAIR, of one size."""
    image = read(pair.image, cv2.IMREAD_GRAYSCALE)
    labels = read(pair.labels, cv2.IMREAD_UNCHANGED)
    if labels.shape != image.shape:
        sys.exit(f"prep: {pair.labels} is {labels.shape} px but its image is {image.shape}: one channel, one size")
    labels = relabel(labels)
    if labels.max() > MOST_OBJECTS:
        sys.exit(f"prep: {pair.labels} has {labels.max()} objects, at most {MOST_OBJECTS} are possible")
    return image, labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path, help="folder of labelled images")
    parser.add_argument("npz", type=pathlib.Path, help="output folder")
    parser.add_argument(
        "--exclude",
        nargs="*",
        default=list(pairs.EXCLUDED_SETS),
        metavar="SET",
        help=f"sets to leave out (default: {' '.join(pairs.EXCLUDED_SETS)})",
    )
    args = parser.parse_args()

    args.npz.mkdir(parents=True, exist_ok=True)
    for pair in pairs.find(args.data, args.exclude):
        image, labels = read_pair(pair)
        np.savez(
            args.npz / f"{pair.split}_{pair.dataset}_{pair.name}.npz",
            im=image,
            lab=labels.astype(np.uint16),
            fl=np.stack(flows(labels)).astype(np.float16),
        )


if __name__ == "__main__":
    main()
