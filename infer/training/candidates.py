"""The candidates of labelled images, for scorer.py.

python3 candidates.py AIMSD MODEL.onnx OUT DATA...

Runs `aimsd candidates` over the images of every DATA (pairs.py says which), and writes OUT/train.jsonl,
and OUT/val.jsonl of those of the split `val`, each line with its set.
"""

import argparse
import json
import pathlib
import subprocess

import pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("aimsd", help="the program")
    parser.add_argument("model", help="network, .onnx")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path, nargs="+", help="folders of labelled images")
    args = parser.parse_args()

    lines = {"train": [], "val": []}
    for data in args.data:
        images = {}
        for pair in pairs.find(data):
            images.setdefault((pair.split, pair.dataset, pair.labels.parent), []).append(pair.image)
        part = args.out / "part.jsonl"
        for (split, dataset, labels), paths in images.items():
            subprocess.run(
                [args.aimsd, "candidates", "-o", part, "--model", args.model]
                + ["--truth", labels, *paths],
                check=True,
            )
            head = f'{{"set":{json.dumps(dataset)},'
            with open(part) as images_lines:
                lines[split] += [head + line[1:] for line in images_lines]
        part.unlink(missing_ok=True)
    for split, text in lines.items():
        (args.out / f"{split}.jsonl").write_text("".join(text))


if __name__ == "__main__":
    main()
