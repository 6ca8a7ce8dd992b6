"""Several-scale inference and its score against single scales.

python3 fuse.py WEIGHTS NPZDIR val|test [--bf16]

Prints, over the images of one split, mean AP@0.5 = TP / (TP + FP + FN) per image and panoptic quality
PQ, for each image scale alone and for the fused result. The product does the same in Go.
"""

import argparse
import glob
import typing

import cv2
import numpy as np
import torch
from scipy import ndimage

import native
from net import FLOW_GAIN, SIZE_UNIT_PX, STRIDE, load

SCALES = (1.0, 0.5, 0.25, 0.125)
NEIGHBOURS = np.ones((3, 3))


class Candidate(typing.NamedTuple):
    """One object found at one scale."""

    scale: float
    diameter_px: float  # equivalent circular diameter at that scale
    flow_error: float  # mean squared distance of its flow from the direction of its displacement
    probability: float  # mean foreground probability
    log2_size: float  # mean predicted log2(diameter / 32 px) at that scale
    box: tuple  # two slices into the full-resolution frame
    mask: np.ndarray  # bool, the box's size

    @property
    def area_px(self):
        """Pixels at full resolution."""
        return int(self.mask.sum())

    @property
    def size_surprise(self):
        """log2 of actual over predicted diameter."""
        return np.log2(max(self.diameter_px, 2) / SIZE_UNIT_PX) - self.log2_size


def normalise(image):
    """float32 image with its 1st percentile at 0 and its 99th at 1."""
    x = image.astype(np.float32)
    low, high = np.percentile(x, 1), np.percentile(x, 99)
    return (x - low) / max(high - low, 1e-3)


def field(net, image, scale, bf16=False):
    """Network output [4, h, w] for IMAGE zoomed by SCALE."""
    x = normalise(image)
    height, width = (max(int(side * scale + 0.5), STRIDE) for side in x.shape)
    if scale != 1:
        x = cv2.resize(
            x, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
    margin = ((0, -height % STRIDE), (0, -width % STRIDE))
    x = np.pad(x, margin, mode="reflect" if min(height, width) > STRIDE else "edge")
    batch = torch.from_numpy(x)[None, None].to(memory_format=torch.channels_last)
    with torch.no_grad(), torch.cpu.amp.autocast(dtype=torch.bfloat16, enabled=bf16):
        return net(batch).float().numpy()[0, :, :height, :width]


def follow(fy, fx, mask, passes=8):
    """End positions (rounded, int32) and displacements after 2^PASSES steps along the flow."""
    height, width = mask.shape
    py, px = np.empty((height, width), np.int32), np.empty((height, width), np.int32)
    dy, dx = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    at = native.pointer
    native.load("dynamics").squaring(
        at(fy), at(fx), at(mask), height, width, passes, at(py), at(px), at(dy), at(dx)
    )
    return py, px, dy, dx


def drop_small(labels, minimum_px):
    """LABELS without objects below MINIMUM_PX, numbered 1..n."""
    small = np.nonzero(np.bincount(labels.ravel()) < minimum_px)[0]
    labels[np.isin(labels, small)] = 0
    ids, inverse = np.unique(labels, return_inverse=True)
    return (inverse if ids[0] == 0 else inverse + 1).reshape(labels.shape)


def fill_holes(labels):
    """Background enclosed by an object becomes part of it; in place."""
    for i, box in enumerate(ndimage.find_objects(labels)):
        if box is not None:
            filled = ndimage.binary_fill_holes(labels[box] == i + 1)
            labels[box][filled & (labels[box] == 0)] = i + 1


def segment(output, minimum_px=12):
    """Labels [h, w] of one network output, and per object: flow error, probability, log2 size."""
    mask = np.ascontiguousarray(output[2] > 0).astype(np.uint8)
    fy, fx = (np.ascontiguousarray(c * mask / FLOW_GAIN, np.float32) for c in output[:2])
    py, px, dy, dx = follow(fy, fx, mask)

    inside = mask > 0
    arrivals = np.zeros(mask.shape, np.int32)
    np.add.at(arrivals, (py[inside], px[inside]), 1)
    sinks, _ = ndimage.label(ndimage.binary_dilation(arrivals >= 3, NEIGHBOURS), NEIGHBOURS)
    labels = np.zeros(mask.shape, np.int32)
    labels[inside] = sinks[py[inside], px[inside]]
    labels = drop_small(labels, minimum_px)
    fill_holes(labels)

    objects = int(labels.max())
    if objects == 0:
        return labels, *(np.zeros(0),) * 3
    distance = np.sqrt(dy**2 + dx**2) + 1e-6
    error = (fy - dy / distance) ** 2 + (fx - dx / distance) ** 2
    error[distance < 2] = 0
    probability = 1 / (1 + np.exp(-output[2]))

    def mean(values):
        return np.atleast_1d(ndimage.mean(values, labels, np.arange(1, objects + 1)))

    return labels, mean(error), mean(probability), mean(output[3])


def candidates(net, image, scales=SCALES, minimum_px=8, bf16=False):
    """Every object of every scale, masks at full resolution."""
    height, width = image.shape
    found = []
    for scale in scales:
        labels, error, probability, size = segment(field(net, image, scale, bf16))
        area = np.bincount(labels.ravel(), minlength=labels.max() + 1)[1:]
        diameter = 2 * np.sqrt(area / np.pi)
        if scale != 1:
            labels = cv2.resize(
                labels.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST
            ).astype(np.int32)
        for i, box in enumerate(ndimage.find_objects(labels)):
            if box is not None and area[i] >= minimum_px:
                mask = labels[box] == i + 1
                found.append(
                    Candidate(scale, diameter[i], error[i], probability[i], size[i], box, mask)
                )
    return found


def score(c, error_weight=1.5, error_limit=0.6, smallest_px=14, largest_px=160):
    """Probability x flow consistency x agreement with the predicted size x size within the trained range."""
    if c.flow_error >= error_limit:
        return 0.0
    smallest_px = 3 if c.scale == 1 else smallest_px  # nothing finer could have found it better
    fit = min(1, c.diameter_px / smallest_px) * min(1, largest_px / c.diameter_px)
    return (
        c.probability * np.exp(-error_weight * c.flow_error) * np.exp(-abs(c.size_surprise)) * fit
    )


def explained_by_finer(found, scores, area, shape, share):
    """For each candidate: do smaller ones (under half its area) with good scores explain SHARE of it?"""
    explained = np.zeros(len(found), bool)
    best = np.zeros(shape, np.float32)  # best score over each pixel so far, and that object's area
    best_area = np.zeros(shape, np.float32)
    for j in np.argsort(area):
        c = found[j]
        here, area_here = best[c.box], best_area[c.box]
        finer = c.mask & (area_here > 0) & (area_here < 0.5 * area[j])
        if (here * finer).sum() > share * scores[j] * area[j]:
            explained[j] = True
            continue
        better = c.mask & (scores[j] > here)
        here[better] = scores[j]
        area_here[better] = area[j]
    return explained


def fuse(found, shape, scores=None, minimum_score=0.35, free_share=0.5, explained_share=0.4):
    """One label image from the candidates of all scales: greedy by score, each keeping what is still free."""
    out = np.zeros(shape, np.int32)
    if not found:
        return out
    scores = np.array([score(c) for c in found]) if scores is None else scores
    area = np.array([c.area_px for c in found], float)
    explained = explained_by_finer(found, scores, area, shape, explained_share)
    label = 0
    for j in np.argsort(-scores):
        if scores[j] < minimum_score:
            break
        if explained[j]:
            continue
        c = found[j]
        here = out[c.box]
        free = c.mask & (here == 0)
        if free.sum() < free_share * area[j]:
            continue
        label += 1
        here[free] = label
    return out


def match(truth, labels, threshold=0.5):
    """(true positives, false positives, false negatives, sum of matched IoU, true objects)."""
    wanted, found = int(truth.max()), int(labels.max())
    if wanted == 0 or found == 0:
        return 0, found, wanted, 0.0, wanted
    pairs = truth.ravel().astype(np.int64) * (found + 1) + labels.ravel()
    overlap = np.bincount(pairs, minlength=(wanted + 1) * (found + 1)).astype(float)
    overlap = overlap.reshape(wanted + 1, found + 1)
    both = overlap[1:, 1:]
    iou = both / (overlap.sum(1)[1:, None] + overlap.sum(0)[None, 1:] - both + 1e-9)
    hit = iou > threshold
    hits = int(hit.sum())
    return hits, found - hits, wanted - hits, float(iou[hit].sum()), wanted


def summary(matches):
    """One line over the images' match() results."""
    tp, fp, fn, iou, wanted = np.array(matches, float).T
    ap = tp / (tp + fp + fn + 1e-9)
    pq = iou / (tp + 0.5 * fp + 0.5 * fn + 1e-9)
    dense = wanted >= 100
    line = f"{len(ap)} images: mean AP@0.5 {ap.mean():.3f}, PQ {pq.mean():.3f}"
    if dense.any() and not dense.all():
        line += f"; under 100 objects AP {ap[~dense].mean():.3f}, others {ap[dense].mean():.3f} ({dense.sum()})"
    return line


def read_split(folder, split):
    """(image uint8, truth int64) of every image of SPLIT, in order of name."""
    paths = sorted(glob.glob(f"{folder}/{split}_*.npz"))
    if not paths:
        raise SystemExit(f"fuse: no {split}_*.npz in {folder}; make them with prep.py")
    for path in paths:
        z = np.load(path)
        yield z["im"], z["lab"].astype(np.int64)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("npz", help="folder made by prep.py")
    parser.add_argument("split", help="val, or another split of split.csv")
    parser.add_argument(
        "--bf16", action="store_true", help="bfloat16 inference: faster, not what ships"
    )
    args = parser.parse_args()
    torch.set_num_threads(2)
    net = load(args.weights).to(memory_format=torch.channels_last)

    results = {}
    for image, truth in read_split(args.npz, args.split):
        found = candidates(net, image, bf16=args.bf16)
        for scale in SCALES:
            alone = [c for c in found if c.scale == scale]
            by_probability = np.array([c.probability for c in alone])
            labels = fuse(alone, image.shape, by_probability, minimum_score=0, explained_share=9)
            results.setdefault(f"scale {scale:g}", []).append(match(truth, labels))
        results.setdefault("fused", []).append(match(truth, fuse(found, image.shape)))
    for name, matches in results.items():
        print(f"{name}: {summary(matches)}")


if __name__ == "__main__":
    main()
