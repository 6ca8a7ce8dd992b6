"""The candidates of labelled images, for scorer.py.

python3 candidates.py AIMSD MODEL.onnx OUT DATA...

Runs `aimsd candidates` over the sets of every DATA/segmentation (but those that prep.py leaves out too),
and writes OUT/train.jsonl, and OUT/val.jsonl of what split.csv calls `val`.
"""

import argparse
import csv
import pathlib
import subprocess

from prep import EXCLUDED_SETS


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("aimsd", help="the program")
    parser.add_argument("model", help="network, .onnx")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path, nargs="+", help="folders with segmentation/")
    args = parser.parse_args()

    lines = {"train": [], "val": []}
    for root in (data / "segmentation" for data in args.data):
        images = {}
        with open(root / "split.csv", newline="") as rows:
            for row in csv.DictReader(rows):
                if row["dataset"] not in EXCLUDED_SETS:
                    path = root / row["dataset"] / "img" / f"{row['name']}.png"
                    images.setdefault((row["split"], row["dataset"]), []).append(path)
        part = args.out / "part.jsonl"
        for (split, dataset), paths in images.items():
            subprocess.run(
                [args.aimsd, "candidates", "-o", part, "--model", args.model]
                + ["--truth", root / dataset / "lab", *paths],
                check=True,
            )
            lines[split].append(part.read_text())
        part.unlink(missing_ok=True)
    for split, text in lines.items():
        (args.out / f"{split}.jsonl").write_text("".join(text))


if __name__ == "__main__":
    main()
