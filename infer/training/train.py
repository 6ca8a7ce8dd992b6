"""Trains the network on two CPU cores.

python3 train.py MINUTES OUT.pt NPZDIR

The learning rate falls to zero over the given time, so the result depends on how many steps the
machine makes of it (--steps N fixes the number instead). Crops and initial weights are seeded. OUT.pt
receives the running average of the weights every 500 steps and at the end.
"""

import argparse
import copy
import math
import queue
import threading
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import crops
from net import FLOW_GAIN, HalfResolutionUNet, read_weights

BATCH = 8
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-4
WARM_UP_STEPS = 200
MAX_GRADIENT_NORM = 5.0
AVERAGE_DECAY = 0.998
FLOW_WEIGHT, FOREGROUND_WEIGHT, SIZE_WEIGHT = 0.25, 1.0, 0.15
SEED = 2  # of the crops and of the initial weights
LOG_STEPS, SAVE_STEPS = 100, 500


def batches(dataset, depth=24):
    """Endless batches, one tuple of float32 tensors [BATCH, h, w] in Crop's order, made in a thread."""
    ready = queue.Queue(depth)

    def fill():
        rng = np.random.default_rng(SEED)
        while True:
            crop_list = [dataset.sample(rng) for _ in range(BATCH)]
            ready.put(crops.Crop(*(torch.from_numpy(np.stack(a)) for a in zip(*crop_list))))

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield ready.get()


def losses(field, batch):
    """Flow, foreground and size loss of FIELD float32 [n, 4, h, w], each for its weight.

    Flow: squared distance; foreground: cross-entropy; size: absolute difference of log2 diameters,
    inside objects. The margin mirrored around the source image does not count.
    """
    inside, foreground = batch.inside, batch.foreground
    flow = (field[:, 0] - FLOW_GAIN * batch.flow_y) ** 2
    flow = (flow + (field[:, 1] - FLOW_GAIN * batch.flow_x) ** 2) * inside
    size = ((field[:, 3] - batch.log2_size).abs() * foreground * inside).sum()
    return (
        flow.mean(),
        F.binary_cross_entropy_with_logits(field[:, 2], foreground, weight=inside),
        size / ((foreground * inside).sum() + 1),
    )


def learning_rate(step, progress):
    """Linear warm-up times a cosine from 1 to 0 over PROGRESS 0..1."""
    return LEARNING_RATE * min(1, step / WARM_UP_STEPS) * (0.5 * (1 + math.cos(math.pi * progress)))


class Average:
    """Exponential moving average of a network's weights, faster while young."""

    def __init__(self, net):
        self.net = copy.deepcopy(net)

    @torch.no_grad()
    def update(self, net, step):
        decay = min(AVERAGE_DECAY, step / (step + 20))
        for mine, theirs in zip(self.net.state_dict().values(), net.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.mul_(decay).add_(theirs, alpha=1 - decay)
            else:
                mine.copy_(theirs)

    def save(self, path):
        torch.save(self.net.state_dict(), path)


class Trainer:
    """Network, its average and the optimiser."""

    def __init__(self, initial=None):
        self.net = HalfResolutionUNet().to(memory_format=torch.channels_last)
        if initial:
            self.net.load_state_dict(read_weights(initial))
        self.average = Average(self.net)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        self.steps = 0

    def step(self, batch, progress):
        """One optimiser step at PROGRESS 0..1 of the schedule; returns the three losses, unweighted."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.steps, progress)
        image = batch.image[:, None].to(memory_format=torch.channels_last)
        with torch.cpu.amp.autocast(dtype=torch.bfloat16):
            field = self.net(image)
        flow, foreground, size = losses(field.float(), batch)
        loss = FLOW_WEIGHT * flow + FOREGROUND_WEIGHT * foreground + SIZE_WEIGHT * size
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), MAX_GRADIENT_NORM)
        self.optimiser.step()
        self.steps += 1
        self.average.update(self.net, self.steps)
        return flow.item(), foreground.item(), size.item()


def train(args):
    trainer = Trainer(args.initial)
    supply = batches(crops.Dataset(args.npz))
    parameters = sum(p.numel() for p in trainer.net.parameters())
    print(f"{parameters / 1e6:.2f} M parameters", flush=True)
    start, waited, history = time.time(), 0.0, []

    def progress():
        if args.steps:
            return trainer.steps / args.steps
        return (time.time() - start) / (args.minutes * 60)

    while (done := progress()) < 1:
        asked = time.time()
        batch = next(supply)
        waited += time.time() - asked
        history.append(trainer.step(batch, done))
        if trainer.steps % LOG_STEPS == 0:
            flow, foreground, size = np.mean(history[-LOG_STEPS:], 0)
            print(
                f"step {trainer.steps}  {(time.time() - start) / 60:.1f} min"
                f"  lr {learning_rate(trainer.steps - 1, done):.1e}  flow {flow:.3f}"
                f"  foreground {foreground:.3f}  size {size:.3f}  waited for data {waited:.0f} s",
                flush=True,
            )
        if trainer.steps % SAVE_STEPS == 0:
            trainer.average.save(args.out)
    trainer.average.save(args.out)
    print(f"done: {trainer.steps} steps")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "minutes", type=float, help="wall-clock budget; 122 gave the shipped weights"
    )
    parser.add_argument("out", help="weights to write")
    parser.add_argument("npz", help="folder made by prep.py")
    parser.add_argument("--steps", type=int, help="this many steps, whatever the time they take")
    parser.add_argument("--initial", metavar="WEIGHTS", help="start from these weights")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch (default 2)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    cv2.setNumThreads(1)
    train(args)


if __name__ == "__main__":
    main()
