"""Trains the network, on CPU cores or on a GPU where PyTorch finds one.

python3 train.py STEPS OUT.pt NPZDIR...

The learning rate falls to zero over the given steps. Crops and initial weights are seeded. Every 250
steps and at the end OUT.pt receives the running average of the weights and OUT.resume everything that
--resume needs to go on from there: weights, average, optimiser, step and the state of the crops'
random numbers. OUT.settings.json holds the settings and the losses.
"""

import argparse
import copy
import json
import math
import os
import pathlib
import queue
import threading
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import crops
from net import CHANNELS, FLOW_GAIN, HalfResolutionUNet, read_weights

BATCH = 8
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-4
WARM_UP_STEPS = 200
MAX_GRADIENT_NORM = 5.0
AVERAGE_DECAY = 0.998
FLOW_WEIGHT, FOREGROUND_WEIGHT, SIZE_WEIGHT = 0.25, 1.0, 0.15
SEED = 2  # of the crops and of the initial weights
LOG_STEPS, SAVE_STEPS = 100, 250


class Supply:
    """Endless batches, one Crop of float32 tensors [BATCH, h, w] each, made in a thread."""

    def __init__(self, dataset, state=None, depth=24):
        self.dataset = dataset
        self.rng = np.random.default_rng(SEED)
        if state is not None:
            self.rng.bit_generator.state = state
        self.ready = queue.Queue(depth)
        threading.Thread(target=self.fill, daemon=True).start()

    def fill(self):
        while True:
            crop_list = [self.dataset.sample(self.rng) for _ in range(BATCH)]
            batch = crops.Crop(*(torch.from_numpy(np.stack(a)) for a in zip(*crop_list)))
            # The state goes with its batch: those still waiting when a run stops are made again.
            self.ready.put((batch, self.rng.bit_generator.state))

    def next(self):
        """A batch and the state of the random numbers after it."""
        return self.ready.get()


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

    def __init__(self, size="large", initial=None, device="cpu"):
        self.device = device
        self.net = HalfResolutionUNet(size).to(device, memory_format=torch.channels_last)
        if initial:
            self.net.load_state_dict(read_weights(initial))
        self.average = Average(self.net)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        self.steps = 0
        self.crops_state = None

    def step(self, batch, progress):
        """One optimiser step at PROGRESS 0..1 of the schedule; returns the three losses, unweighted."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.steps, progress)
        batch = crops.Crop(*(a.to(self.device, non_blocking=True) for a in batch))
        image = batch.image[:, None].to(memory_format=torch.channels_last)
        with torch.autocast(self.device, dtype=torch.bfloat16):
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

    def save(self, path):
        """Everything that resume needs; a crash while writing leaves the one before."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
            "crops": self.crops_state,
        }
        part = f"{path}.part"
        torch.save(state, part)
        os.replace(part, path)

    def resume(self, path):
        state = torch.load(path, map_location=self.device)
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.crops_state = state["steps"], state["crops"]


def train(args):
    trainer = Trainer(args.size, args.initial, "cuda" if torch.cuda.is_available() else "cpu")
    out = pathlib.Path(args.out)
    checkpoint = out.with_suffix(".resume")
    if args.resume and checkpoint.exists():
        trainer.resume(checkpoint)
        print(f"goes on after step {trainer.steps}", flush=True)
    dataset = crops.Dataset(args.npz)
    supply = Supply(dataset, trainer.crops_state)
    parameters = sum(p.numel() for p in trainer.net.parameters())
    print(f"{parameters / 1e6:.2f} M parameters, {len(dataset.items)} images", flush=True)
    start, waited, history, log = time.time(), 0.0, [], []

    def save():
        trainer.average.save(out)
        trainer.save(checkpoint)
        report = {
            "settings": {k: v for k, v in vars(args).items() if k != "resume"},
            "seed": SEED,
            "batch": BATCH,
            "images": len(dataset.items),
            "steps": trainer.steps,
            "torch": torch.__version__,
            "device": trainer.device,
            "log": log,
        }
        out.with_suffix(".settings.json").write_text(json.dumps(report, indent=1))

    while trainer.steps < args.steps:
        progress = trainer.steps / args.steps
        asked = time.time()
        batch, trainer.crops_state = supply.next()
        waited += time.time() - asked
        history.append(trainer.step(batch, progress))
        if trainer.steps % LOG_STEPS == 0:
            flow, foreground, size = (float(v) for v in np.mean(history[-LOG_STEPS:], 0))
            log.append({"step": trainer.steps, "flow": flow, "foreground": foreground, "size": size})
            print(
                f"step {trainer.steps}  {(time.time() - start) / 60:.1f} min"
                f"  lr {learning_rate(trainer.steps - 1, progress):.1e}  flow {flow:.3f}"
                f"  foreground {foreground:.3f}  size {size:.3f}  waited for data {waited:.0f} s",
                flush=True,
            )
        if trainer.steps % SAVE_STEPS == 0:
            save()
    save()
    print(f"done: {trainer.steps} steps")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("steps", type=int, help="optimiser steps of the whole schedule")
    parser.add_argument("out", help="weights to write, NAME.pt")
    parser.add_argument("npz", nargs="+", help="folders made by prep.py; FOLDER:0.3 draws 3 of 10 crops from it")
    parser.add_argument("--size", choices=CHANNELS, default="large", help="of the network (default large)")
    parser.add_argument("--initial", metavar="WEIGHTS", help="start from these weights")
    parser.add_argument("--resume", action="store_true", help="go on from OUT.resume if it is there")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch (default 2)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    cv2.setNumThreads(1)
    train(args)


if __name__ == "__main__":
    main()
