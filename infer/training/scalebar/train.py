"""Trains the label reader: a small convolutional network with CTC, on synthetic lines only (synth.py).

    nice -n 10 /usr/bin/python3 train.py --minutes 10 --backs DATA/segmentation --out ../../scalebar/reader.bin

Writes the weights as the Go reader takes them (batch normalisation folded in, half precision) and a .pt beside --state.
"""
import argparse
import math
import struct
import time

import numpy as np
import torch
from torch import nn

import synth

CONVS = [  # in, out, kernel (h, w), padding (h, w), dilation in x, pool (h, w)
    (1, 12, (3, 3), (1, 1), 1, (2, 2)),
    (12, 24, (3, 3), (1, 1), 1, (2, 1)),
    (24, 32, (3, 3), (1, 1), 1, (2, 1)),
    (32, 64, (3, 3), (0, 1), 1, (1, 1)),
    (64, 64, (1, 5), (0, 2), 1, (1, 1)),
    (64, 64, (1, 5), (0, 4), 2, (1, 1)),
    (64, len(synth.CLASSES) + 1, (1, 1), (0, 0), 1, (1, 1)),
]


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for k, (i, o, kern, pad, dil, pool) in enumerate(CONVS):
            last = k == len(CONVS) - 1
            layers.append(nn.Conv2d(i, o, kern, padding=pad, dilation=(1, dil), bias=last))
            if not last:
                layers += [nn.BatchNorm2d(o), nn.ReLU()]
            if pool != (1, 1):
                layers.append(nn.MaxPool2d(pool))
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x).squeeze(2)  # N, classes, W/2


def export(model, path):
    """int32 count, then per layer: int32 in,out,kh,kw,ph,pw,dil,poolh,poolw,relu; float16 weights [o][i][kh][kw], bias."""
    mods = list(model.net)
    out = [b"SBR1", struct.pack("<i", len(CONVS))]
    at = 0
    for k, (i, o, kern, pad, dil, pool) in enumerate(CONVS):
        conv = mods[at]
        w = conv.weight.detach().double()
        last = k == len(CONVS) - 1
        if last:
            b = conv.bias.detach().double()
            at += 1
        else:
            bn = mods[at + 1]
            g = bn.weight.detach().double() / torch.sqrt(bn.running_var.double() + bn.eps)
            b = bn.bias.detach().double() - bn.running_mean.double() * g
            w = w * g[:, None, None, None]
            at += 3
        at += pool != (1, 1)
        out.append(struct.pack("<10i", i, o, *kern, *pad, dil, *pool, 0 if last else 1))
        out.append(w.numpy().astype("<f2").tobytes() + b.numpy().astype("<f2").tobytes())
    with open(path, "wb") as f:
        f.write(b"".join(out))


def batches(maker, size):
    """Endless batches of similar width."""
    while True:
        pool = [maker.sample() for _ in range(size * 8)]
        pool.sort(key=lambda s: s[0].shape[1])
        order = list(range(0, len(pool), size))
        maker.r.shuffle(order)
        for a in order:
            part = pool[a:a + size]
            w = min(240, max(s[0].shape[1] for s in part))
            x = np.full((len(part), 1, synth.HEIGHT, w), 0, np.uint8)
            for k, (im, _) in enumerate(part):
                n = min(w, im.shape[1])
                x[k, 0, :, :n] = im[:, :n]
                x[k, 0, :, n:] = im[:, n - 1:n]
            yield torch.from_numpy(x).float() / 128 - 1, [s[1] for s in part]


def greedy(logits):
    """Best-path decoding."""
    out = []
    for row in logits.argmax(1).tolist():
        prev, s = 0, ""
        for k in row:
            if k and k != prev:
                s += synth.CLASSES[k - 1]
            prev = k
        out.append(s)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--backs", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--state", default="")
    p.add_argument("--resume", default="")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--lr", type=float, default=4e-3)
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    maker = synth.Maker(synth.find_fonts(), synth.backgrounds(a.backs), a.seed)
    held = synth.Maker(maker.fonts, maker.backs, 99991)
    model = Reader()
    if a.resume:
        model.load_state_dict(torch.load(a.resume))
    opt = torch.optim.AdamW(model.parameters(), lr=a.lr, weight_decay=1e-4)
    loss_fn = nn.CTCLoss(zero_infinity=True)
    start, n, run = time.time(), 0, None
    for x, texts in batches(maker, 48):
        done = (time.time() - start) / (a.minutes * 60)
        if done >= 1:
            break
        for g in opt.param_groups:
            g["lr"] = a.lr * min(1, done * 30 + 0.05) * 0.5 * (1 + math.cos(math.pi * done)) + 2e-5
        model.train()
        lp = model(x).log_softmax(1).permute(2, 0, 1)
        codes = [synth.encode(t) for t in texts]
        y = torch.tensor([c for s in codes for c in s], dtype=torch.long)
        loss = loss_fn(lp, y, torch.full((len(texts),), lp.shape[0]), torch.tensor([len(s) for s in codes]))
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2)
        opt.step()
        n += 1
        run = loss.item() if run is None else 0.98 * run + 0.02 * loss.item()
        if n % 100 == 0:
            print(f"{n} {done:.2f} loss {run:.4f}", flush=True)
        if n % 500 == 0:
            export(model.eval(), a.out)
            if a.state:
                torch.save(model.state_dict(), a.state)
    model.eval()
    ok = tot = lab = labok = 0
    for x, texts in batches(held, 48):
        with torch.no_grad():
            got = greedy(model(x))
        for g, t in zip(got, texts):
            want = "".join(synth.CLASSES[k - 1] for k in synth.encode(t))
            tot += 1
            ok += g == want
        if tot >= 2000:
            break
    print("held-out exact", ok / tot, "batches", n)
    export(model, a.out)
    if a.state:
        torch.save(model.state_dict(), a.state)


if __name__ == "__main__":
    main()
