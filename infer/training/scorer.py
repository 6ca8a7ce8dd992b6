"""The scorer that chooses among the candidates of all image scales.

python3 scorer.py OUT.json TRAIN.jsonl... [--validate VAL.jsonl]

The lines come from candidates.py over labelled images: features of every candidate and its
intersection over union with the truth. Learns two probabilities, IoU > 0.5 (it is an object) and
IoU > 0.75 (its outline is good), and calibrates the first on folds of images it has not seen.
Writes what aimsd reads beside the network's file. Seeds are fixed.
"""

import argparse
import json

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HIDDEN = (96, 64)
SEEDS = 3  # networks whose answers are averaged
STEPS, BATCH = 4000, 4096
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 0.1
CLIP = 8.0  # standard deviations a feature may differ; infer/scorer.go has the same
CROWD = 0.7  # an image of n candidates counts n^(1 - CROWD) times: dense ones must not drown the others
FOLDS = 3
CHOICE = {"min_score": 0.45, "worth": 0.2, "min_free": 0.5}
# An image of this set with more candidates shows something that is an object elsewhere.
CLUTTERED, MOST_IN_CLUTTER = "synth_empty", 150


def read(paths):
    """One dict per image: features float32 [candidates, names], iou float64 [candidates]."""
    images = []
    for path in paths:
        with open(path) as lines:
            for line in lines:
                image = json.loads(line)
                image["iou"] = np.array(image["iou"])
                image["features"] = np.array(image["features"], np.float32)
                cluttered = image["set"] == CLUTTERED and len(image["iou"]) > MOST_IN_CLUTTER
                if len(image["iou"]) and not cluttered:
                    images.append(image)
    if not images:
        raise SystemExit("scorer: no candidates; make them with: aimsd candidates")
    return images


class Model:
    """Standardisation and the networks."""

    def __init__(self, images):
        features = np.concatenate([i["features"] for i in images])
        self.mean = features.mean(0)
        self.deviation = features.std(0) + 1e-4
        iou = np.concatenate([i["iou"] for i in images])
        target = torch.tensor(np.stack([iou > 0.5, iou > 0.75], 1).astype(np.float32))
        weight = np.concatenate([np.full(len(i["iou"]), len(i["iou"]) ** -CROWD) for i in images])
        weight = torch.tensor(weight / weight.mean(), dtype=torch.float32)
        inputs = self.standard(features)
        self.nets = [self.fit(seed, inputs, target, weight) for seed in range(SEEDS)]

    def standard(self, features):
        return torch.tensor((features - self.mean) / self.deviation).clamp(-CLIP, CLIP)

    def fit(self, seed, inputs, target, weight):
        torch.manual_seed(seed)
        layers, width = [], inputs.shape[1]
        for units in HIDDEN:
            layers += [nn.Linear(width, units), nn.ReLU()]
            width = units
        net = nn.Sequential(*layers, nn.Linear(width, 2))
        optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        for _ in range(STEPS):
            batch = torch.randint(len(inputs), (BATCH,))
            loss = F.binary_cross_entropy_with_logits(
                net(inputs[batch]), target[batch], reduction="none"
            )
            loss = (loss.sum(1) * weight[batch]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        return net

    @torch.no_grad()
    def scores(self, features):
        """Probabilities [candidates, 2]."""
        inputs = self.standard(features)
        return np.mean([torch.sigmoid(net(inputs)).numpy() for net in self.nets], 0)

    def layers(self):
        def short(tensor):
            return np.vectorize(lambda v: float(f"{v:.5g}"))(tensor.detach().numpy()).tolist()

        return [
            [
                {"weights": short(layer.weight), "bias": short(layer.bias)}
                for layer in net
                if isinstance(layer, nn.Linear)
            ]
            for net in self.nets
        ]


def calibration(images):
    """Slope and offset of the logit, fitted to the answers for images of other folds."""
    scores, hits = [], []
    for fold in range(FOLDS):
        model = Model([image for i, image in enumerate(images) if i % FOLDS != fold])
        for image in images[fold::FOLDS]:
            p = model.scores(image["features"])[:, 0]
            reported = p >= CHOICE["min_score"]
            scores.append(p[reported])
            hits.append(image["iou"][reported] > 0.5)
    p = np.concatenate(scores).clip(1e-6, 1 - 1e-6)
    logit = torch.tensor(np.log(p / (1 - p)))
    hit = torch.tensor(np.concatenate(hits).astype(float))
    line = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([line], max_iter=100)

    def loss():
        optimiser.zero_grad()
        value = F.binary_cross_entropy_with_logits(line[0] * logit + line[1], hit)
        value.backward()
        return value

    optimiser.step(loss)
    return [round(float(v), 4) for v in line]


def report(model, images):
    """Log loss and the area under the ROC curve, means over IMAGES."""
    losses, areas = [], []
    for image in images:
        p = model.scores(image["features"])[:, 0].clip(1e-6, 1 - 1e-6)
        hit = image["iou"] > 0.5
        losses.append(-np.where(hit, np.log(p), np.log(1 - p)).mean())
        if hit.any() and not hit.all():
            areas.append((p[hit][:, None] > p[~hit][None]).mean())
    return {"images": len(images), "log_loss": float(np.mean(losses)), "auc": float(np.mean(areas))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="file to write: the network's name with .json")
    parser.add_argument("train", nargs="+", help="lines of aimsd candidates")
    parser.add_argument("--validate", nargs="*", default=[], help="likewise, of other images")
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = read(args.train)
    model = Model(images)
    count = sum(len(i["iou"]) for i in images)
    print(f"{len(images)} images, {count} candidates: {report(model, images)}")
    if args.validate:
        print(f"validation: {report(model, read(args.validate))}")
    with open(args.out, "w") as out:
        json.dump(
            {
                "features": images[0]["names"],
                "mean": [float(f"{v:.6g}") for v in model.mean],
                "deviation": [float(f"{v:.6g}") for v in model.deviation],
                "nets": model.layers(),
                "choice": CHOICE,
                "calibration": calibration(images),
            },
            out,
            separators=(",", ":"),
        )


if __name__ == "__main__":
    main()
