"""A learned scorer for the candidates of all scales, instead of fuse.score.

python3 scorer.py WEIGHTS NPZDIR [--bf16]

19 features -> probability that the candidate is an object (IoU > 0.5 with one). 6-fold cross-validated
over the val images. Strongest features: agreement with a candidate of another scale, contrast to the
ring around, predicted against actual size. Candidates of images the network was trained on flatter
themselves: fit it on others.
"""

import argparse

import cv2
import numpy as np
import torch
from torch import nn

from fuse import SCALES, candidates, fuse, match, normalise, read_split, summary
from net import SIZE_UNIT_PX, load

FEATURES = 19
HIDDEN = 24
STEPS = 250
RING_PX = 3  # width of the ring the contrast is taken against
FOLDS = 6


def own_features(c):
    """What the candidate says of itself: 12 numbers."""
    log2_diameter = np.log2(max(c.diameter_px, 2) / SIZE_UNIT_PX)
    surprise = c.size_surprise
    odds = c.probability / (1 - c.probability + 1e-6)
    box_px = max((c.box[0].stop - c.box[0].start) * (c.box[1].stop - c.box[1].start), 1)
    return [
        c.flow_error,
        c.flow_error**2,
        np.log(odds + 1e-6),
        abs(surprise),
        max(surprise, 0),
        max(-surprise, 0) ** 2,
        log2_diameter,
        log2_diameter**2,
        c.scale == 1.0,
        c.scale == 0.5,
        c.scale == 0.25,
        c.area_px / box_px,
    ]


def label_maps(found, shape):
    """Scale -> int32 image whose values are 1 + the candidate's index."""
    maps = {scale: np.zeros(shape, np.int32) for scale in SCALES}
    for i, c in enumerate(found):
        maps[c.scale][c.box][c.mask] = i + 1
    return maps


def agreement(c, area, maps, areas):
    """Best and second best, over the other scales, IoU with the candidate that covers most of C."""
    best = []
    for scale in SCALES:
        if scale == c.scale:
            continue
        votes = np.bincount(maps[scale][c.box][c.mask], minlength=1)
        votes[0] = 0
        shared = votes.max()
        best.append(shared / (area + areas[votes.argmax() - 1] - shared) if shared > 0 else 0.0)
    best.sort()
    return best[-1], best[-2]


def contrast(c, image):
    """Mean difference to the ring around, and the standard deviation inside."""
    ys, xs = c.box
    y0, x0 = max(ys.start - 4, 0), max(xs.start - 4, 0)
    window = image[y0 : ys.stop + 4, x0 : xs.stop + 4]
    inside = np.zeros(window.shape, bool)
    height, width = c.mask.shape
    inside[ys.start - y0 : ys.start - y0 + height, xs.start - x0 : xs.start - x0 + width] = c.mask
    kernel = np.ones((2 * RING_PX + 1, 2 * RING_PX + 1))
    ring = (cv2.dilate(inside.astype(np.uint8), kernel) > 0) & ~inside
    around = window[ring].mean() if ring.any() else 0
    return abs(window[inside].mean() - around), window[inside].std()


def features(found, image):
    """float64 [candidates, FEATURES]."""
    if not found:
        return np.zeros((0, FEATURES))
    x = normalise(image)
    height, width = image.shape
    areas = np.array([c.area_px for c in found], float)
    maps = label_maps(found, image.shape)
    table = []
    for c, area in zip(found, areas):
        ys, xs = c.box
        on_border = ys.start == 0 or xs.start == 0 or ys.stop == height or xs.stop == width
        table.append(
            [
                *own_features(c),
                *agreement(c, area, maps, areas),
                *contrast(c, x),
                float(on_border),
                np.log(area / (height * width)),
                np.log(len(found) + 1),
            ]
        )
    return np.array(table, float)


def true_iou(found, truth):
    """IoU of each candidate with the true object that covers most of it."""
    true_areas = np.bincount(truth.ravel())
    out = []
    for c in found:
        votes = np.bincount(truth[c.box][c.mask], minlength=len(true_areas))
        votes[0] = 0
        j = votes.argmax()
        out.append(votes[j] / (c.area_px + true_areas[j] - votes[j]) if votes[j] else 0.0)
    return np.array(out)


def fit(items, seeds=3):
    """Scorer (features -> probability) from ITEMS, a list of (features, IoU) per image; mean of SEEDS nets."""
    x = np.concatenate([f for f, _ in items])
    target = torch.tensor((np.concatenate([iou for _, iou in items]) > 0.5).astype(np.float32))
    # Dense images have many candidates; they must not drown the others.
    weight = np.concatenate([np.full(len(iou), 1 / max(len(iou), 1) ** 0.7) for _, iou in items])
    weight = torch.tensor(weight, dtype=torch.float32)
    mean, deviation = x.mean(0), x.std(0) + 1e-6

    def standard(f):
        return torch.tensor((f - mean) / deviation, dtype=torch.float32)

    x, nets = standard(x), []
    for seed in range(seeds):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
        optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=3e-2)
        for _ in range(STEPS):
            loss = nn.functional.binary_cross_entropy_with_logits(
                net(x)[:, 0], target, reduction="none"
            )
            loss = (loss * weight).sum() / weight.sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        nets.append(net)

    @torch.no_grad()
    def scorer(f):
        if not len(f):
            return np.zeros(0)
        return np.mean([torch.sigmoid(net(standard(f))[:, 0]).numpy() for net in nets], 0)

    return scorer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("npz", help="folder made by prep.py")
    parser.add_argument(
        "--bf16", action="store_true", help="bfloat16 inference: faster, not what ships"
    )
    args = parser.parse_args()
    torch.set_num_threads(2)
    net = load(args.weights).to(memory_format=torch.channels_last)

    images = []
    for image, truth in read_split(args.npz, "val"):
        found = candidates(net, image, bf16=args.bf16)
        images.append((found, truth, features(found, image), true_iou(found, truth)))

    scored = []
    for fold in range(FOLDS):
        scorer = fit([(f, iou) for i, (_, _, f, iou) in enumerate(images) if i % FOLDS != fold])
        for found, truth, f, _ in images[fold::FOLDS]:
            labels = fuse(found, truth.shape, scorer(f), minimum_score=0.6, explained_share=0.5)
            scored.append(match(truth, labels))
    fused = [match(truth, fuse(found, truth.shape)) for found, truth, _, _ in images]
    ideal = [
        match(truth, fuse(found, truth.shape, iou, minimum_score=0.5, explained_share=9))
        for found, truth, _, iou in images
    ]
    print(f"scorer: {summary(scored)}")
    print(f"fused: {summary(fused)}")
    print(f"perfect choice: {summary(ideal)}")


if __name__ == "__main__":
    main()
