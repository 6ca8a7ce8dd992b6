"""The labelled images of a folder.

DATA is one of
- DATA/segmentation/<set>/{img,lab}/NAME.png with index.csv (dataset,name,...) and split.csv
  (dataset,name,split), as synth.py writes it;
- DATA/img and DATA/lab (or images and labels): any images that OpenCV reads, each with a label image of
  the same name without its ending, 0 = background, 1..N = object. About one in ten, chosen by its name,
  is `val` and never trained on.
"""

import csv
import hashlib
import pathlib
import sys
from typing import NamedTuple

# Challenge terms that allow research only: shipped weights must not learn from it.
EXCLUDED_SETS = ("isbi2012_cells",)
FOLDERS = (("img", "lab"), ("images", "labels"))
VAL_SHARE = 0.1


class Pair(NamedTuple):
    dataset: str
    name: str
    split: str  # train or val
    image: pathlib.Path
    labels: pathlib.Path


def find(data, exclude=EXCLUDED_SETS):
    """The pairs of folder DATA, but those of the sets EXCLUDE."""
    root = data / "segmentation"
    if root.is_dir():
        return [p for p in listed(root) if p.dataset not in exclude]
    for images, labels in FOLDERS:
        if (data / images).is_dir() and (data / labels).is_dir():
            return matched(data.resolve().name, data / images, data / labels)
    sys.exit(f"{data} holds neither segmentation/ nor img/ and lab/: see infer/training/README.md")


def listed(root):
    split = {(r["dataset"], r["name"]): r["split"] for r in rows(root / "split.csv")}
    for r in rows(root / "index.csv"):
        folder, name = root / r["dataset"], r["name"]
        yield Pair(
            r["dataset"],
            name,
            split[r["dataset"], name],
            folder / "img" / f"{name}.png",
            folder / "lab" / f"{name}.png",
        )


def matched(dataset, images, labels):
    by_stem = {path.stem: path for path in sorted(labels.iterdir()) if path.is_file()}
    pairs = []
    for path in sorted(images.iterdir()):
        if path.is_file() and path.stem in by_stem:
            draw = int(hashlib.sha256(path.stem.encode()).hexdigest()[:8], 16) / 2**32
            split = "val" if draw < VAL_SHARE else "train"
            pairs.append(Pair(dataset, path.stem, split, path, by_stem[path.stem]))
    if not pairs:
        sys.exit(f"{images}: no image has a label image of the same name in {labels}")
    return pairs


def rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))
