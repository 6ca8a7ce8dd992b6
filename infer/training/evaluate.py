"""Scores a network on the images that are never trained on.

python3 evaluate.py AIMSD MODEL.onnx OUT DATA

Runs `aimsd evaluate` over the split `val` of DATA (pairs.py says what that is), one report for each set in
OUT/<set>.
"""

import argparse
import pathlib
import subprocess
import sys

import pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("aimsd", help="the program")
    parser.add_argument("model", help="network, .onnx; its scorer lies beside it with the same name and .json")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path, help="folder of labelled images")
    args = parser.parse_args()

    sets = {}
    for pair in pairs.find(args.data):
        if pair.split == "val":
            sets.setdefault((pair.dataset, pair.labels.parent), []).append(pair.image)
    if not sets:
        sys.exit(f"evaluate: {args.data} has no images of the split val")
    for (dataset, labels), images in sets.items():
        subprocess.run(
            [args.aimsd, "evaluate", "--model", args.model, "-o", args.out / dataset]
            + ["--truth", labels, *images],
            check=True,
        )


if __name__ == "__main__":
    main()
