"""Our pixel dynamics and labelling against Cellpose's, on the same fields in the same run.

make against-cellpose DATA=folder
build/cellpose-venv/bin/python against_cellpose.py DATA [--out FOLDER] [--least-area PX]

Fields: the light network's output for the labelled images of DATA (pairs.py) of 1 Mpx or more, two of a set at
most, and one synthetic field of touching ellipses with exact flows, blurred, with coloured noise.

Cellpose: dynamics.compute_masks of the package as it is, 200 steps on the CPU, its check of flow errors off, objects
below 12 px dropped. It runs with one thread and with one for each core, and the faster counts: on a busy machine its
threads hold each other up, more so where they spin while they wait, which is turned off. Ours: cuda.Host (Go) on
all cores, which also measures every object. Both get float32 planes in memory, fill holes, and are timed by wall
clock: the median of 3 after one run to warm up. AP is TP / (TP + FP + FN) at IoU above 0.5 against the true labels.

Exits with 1 where ours is less than 5 times as fast, or its AP is lower by more than 0.002.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time
import types
import warnings
from importlib import metadata
from typing import NamedTuple

# Read by OpenMP when PyTorch loads it: threads that wait sleep.
os.environ["OMP_WAIT_POLICY"] = "passive"

import cv2
import numpy as np
import onnxruntime
import torch

import pairs
import prep

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORES = len(os.sched_getaffinity(0))
LEAST_RATIO = 5.0
MOST_AP_LOST = 0.002

LEAST_IMAGE_PX = 1_000_000
MOST_OF_A_SET = 2
STRIDE = 32  # the network takes multiples of it
FLOW_SCALE = 5.0
REFERENCE_PX = 32.0
MIN_AREA = 12  # px, as in cuda.DefaultParams

SEED = 7
SYNTHETIC_PX = 2048
ELLIPSES = 4000
SEMI_AXES_PX = (7.0, 28.0)
MOST_HIDDEN = 0.2  # share of an ellipse that others may cover
LOGIT = 6.0
NOISE = 2.0  # sigma of white noise on flows of length 5, before it is blurred
BLUR_PX = (3, 3)  # mean over so many; noise is blurred twice


class Example(NamedTuple):
    name: str
    field: np.ndarray  # float32 [4, h, w]: flow dy and dx times 5, logit, log2(diameter / 32 px)
    truth: np.ndarray  # int32 [h, w], 0 = background


def widen_indices():
    """Lets 32-bit tensors be indices, as PyTorch 2 does (in the same way, by widening them): Cellpose 4 has them."""
    plain = torch.Tensor.__getitem__

    def wide(index):
        return index.long() if isinstance(index, torch.Tensor) and index.dtype == torch.int32 else index

    def getitem(tensor, index):
        return plain(tensor, tuple(map(wide, index)) if isinstance(index, tuple) else wide(index))

    torch.Tensor.__getitem__ = getitem


def cellpose_dynamics():
    """Cellpose's module, as it is. torchvision, which its augmentation of training images needs and nothing here does,
    may be missing: then empty modules stand in for it, and whatever called them would fail."""
    if int(torch.__version__.split(".")[0]) < 2:
        widen_indices()
    try:
        import torchvision.transforms
    except ImportError:
        transforms = "torchvision.transforms"
        for name in ("torchvision", transforms, transforms + ".functional", transforms + "._functional_tensor"):
            sys.modules[name] = types.ModuleType(name)
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, sys.modules[name])
    from cellpose import dynamics

    return dynamics


def network_field(session, image):
    """The field float32 [4, h, w] of a grey image uint8 [h, w]."""
    low, high = np.percentile(image, 1), np.percentile(image, 99)
    grey = ((image - low) / max(high - low, 1e-3)).astype(np.float32)
    height, width = grey.shape
    padded = np.pad(grey, ((0, -height % STRIDE), (0, -width % STRIDE)), mode="reflect")
    field = session.run(None, {"image": padded[None, None]})[0][0]
    return np.ascontiguousarray(field[:, :height, :width])


def real_examples(data):
    model = ROOT / "infer" / "models" / "light.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    taken = {}
    for pair in pairs.find(data):
        if taken.get(pair.dataset, 0) == MOST_OF_A_SET:
            continue
        image, truth = prep.read_pair(pair)
        if image.size < LEAST_IMAGE_PX:
            continue
        taken[pair.dataset] = taken.get(pair.dataset, 0) + 1
        yield Example(f"{pair.dataset}-{taken[pair.dataset]}", network_field(session, image), truth)
    if not taken:
        sys.exit(f"against_cellpose: {data} has no labelled image of {LEAST_IMAGE_PX} px or more")


def ellipses(rng):
    """Labels int32 of ellipses that touch; each is one connected piece."""
    size = SYNTHETIC_PX
    labels, count = np.zeros((size, size), np.int32), 0
    reach = int(SEMI_AXES_PX[1]) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for _ in range(20 * ELLIPSES):
        cy, cx = rng.integers(reach, size - reach, 2)
        a = np.exp(rng.uniform(*np.log(SEMI_AXES_PX)))
        b, turn = a * rng.uniform(0.6, 1), rng.uniform(0, np.pi)
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        inside = (along / a) ** 2 + (across / max(b, SEMI_AXES_PX[0] * 0.6)) ** 2 <= 1
        place = labels[cy - reach : cy + reach + 1, cx - reach : cx + reach + 1]
        free = inside & (place == 0)
        if free.sum() < (1 - MOST_HIDDEN) * inside.sum():
            continue
        pieces, numbered = cv2.connectedComponents(free.astype(np.uint8), connectivity=4)
        largest = 1 + np.argmax(np.bincount(numbered.ravel(), minlength=pieces)[1:])
        count += 1
        place[numbered == largest] = count
        if count == ELLIPSES:
            break
    return labels


def synthetic_example():
    rng = np.random.default_rng(SEED)
    truth = ellipses(rng)
    diameters = 2 * np.sqrt(np.maximum(np.bincount(truth.ravel()), 1) / np.pi)
    diameters[0] = REFERENCE_PX
    planes = [FLOW_SCALE * flow for flow in prep.flows(truth)]
    planes.append(np.where(truth > 0, LOGIT, -LOGIT))
    planes.append(np.log2(diameters / REFERENCE_PX)[truth])
    field = np.stack([cv2.blur(plane.astype(np.float32), BLUR_PX) for plane in planes])
    for plane in field[:2]:
        noise = NOISE * rng.standard_normal(plane.shape, np.float32)
        plane += cv2.blur(cv2.blur(noise, BLUR_PX), BLUR_PX)
    return Example("ellipses", field, truth)


def median_ms(call):
    """The result of CALL, and the median of three times after a first one that does not count."""
    result, took = call(), []
    for _ in range(3):
        start = time.perf_counter()
        call()
        took.append(1000 * (time.perf_counter() - start))
    return result, statistics.median(took)


def cellpose_labels(dynamics, field):
    """Labels [h, w], milliseconds, and the number of threads that took the least of them."""
    flow, logit = np.ascontiguousarray(field[:2]), np.ascontiguousarray(field[2])

    def labels():
        return dynamics.compute_masks(
            flow,
            logit,
            niter=200,
            cellprob_threshold=0.0,
            flow_threshold=0.0,
            min_size=MIN_AREA,
            device=torch.device("cpu"),
        )

    tried = []
    for threads in sorted({1, CORES}):
        torch.set_num_threads(threads)
        found, ms = median_ms(labels)
        tried.append((ms, threads))
    ms, threads = min(tried)
    return found, ms, threads


def our_labels(example, out):
    """Labels [h, w] and milliseconds of cuda.Host; OUT/NAME/ keeps the field and the labels."""
    folder = out / example.name
    folder.mkdir(parents=True, exist_ok=True)
    height, width = example.truth.shape
    base = folder / example.name
    base.with_suffix(".field").write_bytes(f"{width} {height}\n".encode() + example.field.astype("<f4").tobytes())
    for old in (".labels", ".ms"):
        base.with_suffix(old).unlink(missing_ok=True)
    ran = subprocess.run(
        ["go", "test", "./cuda", "-run", "FieldsFromAFolder", "-count", "1"],
        cwd=ROOT,
        env={**os.environ, "AIMSD_FIELDS": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode != 0 or not base.with_suffix(".ms").exists():
        sys.exit(f"against_cellpose: go test ./cuda -run FieldsFromAFolder labelled nothing:\n{ran.stdout}")
    labels = np.fromfile(base.with_suffix(".labels"), "<i4").reshape(height, width)
    return labels, float(base.with_suffix(".ms").read_text())


def average_precision(truth, found, least_px):
    """TP / (TP + FP + FN) at IoU above 0.5; labels [h, w] each, 0 = none. What is found below LEAST_PX is left out."""
    truth_px, found_px = np.bincount(truth.ravel()), np.bincount(found.ravel())
    found = np.where(found_px >= least_px, np.arange(len(found_px)), 0)[found]
    found_px = np.bincount(found.ravel())
    both = (truth > 0) & (found > 0)
    key, shared = np.unique(truth[both].astype(np.int64) << 32 | found[both], return_counts=True)
    union = truth_px[key >> 32] + found_px[key & 0xFFFFFFFF] - shared
    matched = int((2 * shared > union).sum())
    every = np.count_nonzero(truth_px[1:]) + np.count_nonzero(found_px[1:])
    return matched / max(every - matched, 1)


def reference_gflops():
    """Speed of a float32 1024^3 matrix product, best of 5: how fast the machine is just now."""
    torch.set_num_threads(CORES)
    a = torch.ones(1024, 1024)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * 1024**3 / best / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path, help="folder of labelled images")
    parser.add_argument("--out", type=pathlib.Path, default="build/against-cellpose", help="fields and labels")
    parser.add_argument("--least-area", type=int, default=MIN_AREA, help="px; what either finds below it is not scored")
    args = parser.parse_args()

    warnings.filterwarnings("ignore", message="scatter_reduce")
    dynamics = cellpose_dynamics()
    out = args.out.resolve()
    print(f"Cellpose {metadata.version('cellpose')} on PyTorch {torch.__version__} against cuda.Host, {CORES} cores\n")
    columns = "objects", "Cellpose ms", "its threads", "ours ms", "ratio", "AP Cellpose", "AP ours", "reference GFLOP/s"
    print(f"| field | px | {' | '.join(columns)} |\n| --- | --- {'| ---: ' * len(columns)}|", flush=True)
    failed = []
    for example in [*real_examples(args.data), synthetic_example()]:
        gflops = reference_gflops()
        their_labels, their_ms, threads = cellpose_labels(dynamics, example.field)
        labels, ms = our_labels(example, out)
        their_ap, ap = (average_precision(example.truth, l, args.least_area) for l in (their_labels, labels))
        height, width = example.truth.shape
        ratio = their_ms / ms
        print(
            f"| {example.name} | {width}x{height} | {example.truth.max()} "
            f"| {their_ms:.0f} | {threads} | {ms:.1f} | {ratio:.1f} "
            f"| {their_ap:.4f} | {ap:.4f} | {gflops:.0f} |",
            flush=True,
        )
        if ratio < LEAST_RATIO:
            failed.append(f"{example.name}: {ratio:.1f} times as fast, at least {LEAST_RATIO:.0f} is asked for")
        if their_ap - ap > MOST_AP_LOST:
            failed.append(f"{example.name}: AP lower by {their_ap - ap:.4f}, at most {MOST_AP_LOST} is allowed")
    if failed:
        sys.exit("against_cellpose: " + "; ".join(failed))


if __name__ == "__main__":
    main()
