"""Synthetic text lines for the scale-bar label reader.

A sample is one line of text as the reader's crop shows it: polarity turned so that text is bright, HEIGHT rows, the
digits' top near row TOP and the baseline near row BASE, any width. Fonts are the system's; backgrounds are noise,
gradients, blobs and crops of electron micrographs that carry no text.
"""
import glob
import os
import random

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

HEIGHT, TOP, BASE = 24, 4, 18
CLASSES = "0123456789.,nmupA/?"  # index + 1; 0 is the blank; ? is any other character
SAME = {"µ": "u", "μ": "u", "Å": "A", "Å": "A"}


def encode(text):
    """Class indices of text; spaces are not predicted."""
    out = []
    for ch in text:
        if ch.isspace():
            continue
        ch = SAME.get(ch, ch)
        k = CLASSES.find(ch)
        out.append((k if k >= 0 else CLASSES.index("?")) + 1)
    return out


def find_fonts():
    """Paths of the text fonts that hold every character the labels need."""
    bad = ("lyx", "Math", "Symbol", "D050000L", "Z003", "ExtraLight", "Thin", "Hairline", "Chancery", "Dingbats", "C059-Ital")
    out = []
    for ext in ("ttf", "otf"):
        for p in sorted(glob.glob(f"/usr/share/fonts/**/*.{ext}", recursive=True)):
            if any(b in p for b in bad):
                continue
            try:
                f = ImageFont.truetype(p, 20)
                miss = bytes(f.getmask("\uffff"))
                if any(bytes(f.getmask(c)) == miss for c in "0nmu.µ"):
                    continue
            except OSError:
                continue
            out.append(p)
    return out


def backgrounds(root):
    """Text-free micrographs as uint8 arrays."""
    out = []
    for s in ("nasa_super", "ampis_powder", "axondeepseg_sem", "fib25_slices"):
        for p in sorted(glob.glob(os.path.join(root, s, "img", "*.png"))):
            a = cv2.imread(p, cv2.IMREAD_GRAYSCALE)
            if a is not None:
                out.append(a[: int(a.shape[0] * 0.88)])
    return out


MANT = ["1", "2", "5", "1.5", "2.5", "3", "4", "6", "8", "7.5", "1.2"]


def label(r):
    """A scale label, round values as often as arbitrary ones."""
    unit = r.choice(["nm", "nm", "nm", "nm", "µm", "µm", "µm", "μm", "um", "um", "mm", "mm", "pm", r.choice("ÅA")])
    k = r.random()
    if k < 0.5:
        v = float(r.choice(MANT)) * 10 ** r.randint(-2, 3)
        s = f"{v:g}"
        if r.random() < 0.4 and v < 1000 and "." not in s:
            s += r.choice([".0", ".0", ".00"])
    elif k < 0.75:
        s = str(r.randint(1, 9) * 10 ** r.randint(0, 3))
    elif k < 0.9:
        s = str(r.randint(0, 1999))
    else:
        s = f"{r.randint(0, 99)}.{r.randint(0, 99)}"
    if r.random() < 0.06:
        s = s.replace(".", ",")
    if s.isdigit() and len(s) == 4 and r.random() < 0.4:
        s = s[0] + "," + s[1:]
    gap = r.choice(["", " ", " ", " ", " ", "  "])
    if unit != "A" and len(unit) == 2 and r.random() < 0.04:
        unit = unit[0] + " " + unit[1]
    return s + gap + unit


ALPHA = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def junk(r):
    """What else panels say: must not read as a label."""
    return r.choice([
        lambda: f"{r.randint(1, 30)}.{r.randint(0, 9)}kV",
        lambda: f"{r.choice('xX')}{r.randint(1, 999)}{r.choice(['', ',000', '.00k', 'k', '0'])}",
        lambda: f"WD {r.choice(['', '= ', ': '])}{r.randint(2, 20)}.{r.randint(0, 9)} mm",
        lambda: f"{r.choice([1, 2, 5, 10, 20])} 1/nm",
        lambda: f"{r.choice([1, 2, 5, 10, 20])} nm-1",
        lambda: "".join(r.choice(ALPHA) for _ in range(r.randint(2, 7))),
        lambda: f"{r.choice(['Mag', 'HFW', 'View field', 'EHT', 'HV', 'Det', 'SE', 'Spot'])} {r.choice('=: ')} {r.randint(1, 500)}",
        lambda: f"{r.randint(1, 28)}/{r.randint(1, 12)}/20{r.randint(10, 26)}",
        lambda: f"({r.choice(ALPHA)})",
        lambda: f"{r.choice(['ETD', 'SE', 'BSE', 'InLens'])} {r.choice([1, 2, 5, 10, 100, 200])} {r.choice(['nm', 'µm'])}",
    ])()


class Maker:
    """Draws samples; deterministic for a seed."""

    def __init__(self, fonts, backs, seed):
        self.fonts, self.backs = fonts, backs
        self.r = random.Random(seed)
        self.n = np.random.default_rng(seed)
        self.cache = {}

    def font(self, path, size):
        key = (path, size)
        if key not in self.cache:
            if len(self.cache) > 3000:
                self.cache.clear()
            self.cache[key] = ImageFont.truetype(path, size)
        return self.cache[key]

    def background(self, h, w):
        """Float background, 0..255."""
        r, n = self.r, self.n
        k = r.random()
        if k < 0.35:
            a = np.full((h, w), r.uniform(0, 255), np.float32)
        elif k < 0.55:
            a = np.linspace(r.uniform(0, 255), r.uniform(0, 255), w, dtype=np.float32)[None] * np.ones((h, 1), np.float32)
        elif k < 0.7:
            a = n.uniform(0, 255, (max(2, h // r.randint(6, 30)), max(2, w // r.randint(6, 30)))).astype(np.float32)
            a = cv2.resize(a, (w, h), interpolation=cv2.INTER_CUBIC) * r.uniform(0.1, 0.9) + r.uniform(0, 60)
        else:
            b = r.choice(self.backs)
            s = r.uniform(0.5, 2)
            bh, bw = min(b.shape[0], int(h * s) + 1), min(b.shape[1], int(w * s) + 1)
            y, x = r.randint(0, b.shape[0] - bh), r.randint(0, b.shape[1] - bw)
            a = cv2.resize(b[y:y + bh, x:x + bw], (w, h), interpolation=cv2.INTER_AREA).astype(np.float32)
            a = (a - a.mean()) * r.uniform(0.2, 1.2) + r.uniform(20, 235)
        if r.random() < 0.15:  # particles behind the text
            for _ in range(r.randint(1, 4)):
                c = (r.randint(0, w), r.randint(0, h))
                q = r.uniform(0.3, 2.5) * h
                disc = np.zeros_like(a)
                cv2.circle(disc, c, int(q), 1.0, -1)
                a = a * (1 - disc) + disc * (r.uniform(0, 230) + n.normal(0, 8, (h, w)).astype(np.float32))
            a = cv2.GaussianBlur(a, (0, 0), r.uniform(0.5, 2))
        if r.random() < 0.6:
            g = n.normal(0, r.uniform(1, 25), (h, w)).astype(np.float32)
            if r.random() < 0.5:
                g = cv2.GaussianBlur(g, (0, 0), r.uniform(0.5, 1.5))
            a = a + g
        return np.clip(a, 0, 255)

    def draw(self, text, tiny=False):
        """Coverage of text (float 0..1) and the digits' top and baseline rows, or None."""
        r = self.r
        path = r.choice(self.fonts)
        size = int(r.choice([r.uniform(8, 16), r.uniform(12, 40)])) if not tiny else r.randint(11, 20)
        f = self.font(path, size)
        _, t0, _, b0 = f.getbbox("0")
        pad = max(8, size)
        track = r.choice([0, 0, 0, r.uniform(-0.04, 0.3) * size])
        if track:
            w = int(sum(f.getlength(c) + track for c in text))
        else:
            w = int(f.getlength(text))
        if w <= 0 or b0 - t0 < 4:
            return None
        im = Image.new("L", (w + 2 * pad, size * 2 + 2 * pad), 0)
        d = ImageDraw.Draw(im)
        d.fontmode = "1" if r.random() < 0.25 else "L"
        if track:
            x = float(pad)
            for c in text:
                d.text((int(x), pad), c, fill=255, font=f)
                x += f.getlength(c) + track
        else:
            d.text((pad, pad), text, fill=255, font=f)
        a = np.asarray(im, np.float32) / 255
        return a, pad + t0, pad + b0, pad, pad + w, size

    def sample(self):
        """(uint8 image of HEIGHT rows, text)."""
        r, n = self.r, self.n
        while True:
            k = r.random()
            text = label(r) if k < 0.78 else junk(r) if k < 0.95 else ""
            tiny = r.random() < 0.25  # a panel's small print in a reduced figure
            got = self.draw(text or "000", tiny)
            if got is not None:
                break
        a, top, base, x0, x1, size = got
        if not text:
            a = a * 0
        h = base - top
        bg = self.background(*a.shape) if not tiny else np.clip(n.normal(r.uniform(0, 60), r.uniform(0, 6), a.shape), 0, 255).astype(np.float32)
        bright = r.random() < 0.6
        fg = r.choice([255.0, 255.0, r.uniform(120, 255)])
        local = bg[top:base, x0:x1]
        if not bright:
            bg = 255 - bg
            local = 255 - local
        if r.random() < 0.75:  # text is always turned bright; contrast from faint to full
            want = r.choice([r.uniform(25, 90), r.uniform(60, 220)])
            m = float(np.percentile(local, r.uniform(50, 97)))
            s = max(1.0, fg - want) / max(m, 1.0)
            if s < 1:
                bg = bg * s
        if r.random() < 0.15:  # outline or drop shadow
            dx, dy = r.choice([(1, 1), (0, 0), (-1, 1), (1, 0)])
            sh = np.roll(cv2.dilate(a, np.ones((3, 3))) if dx == 0 or r.random() < 0.4 else a, (dy, dx), (0, 1))
            bg = bg * (1 - sh) + r.uniform(0, 60) * sh
        if r.random() < 0.04:  # hollow letters
            a = np.clip(cv2.dilate(a, np.ones((3, 3))) - a * r.uniform(0.5, 1), 0, 1)
        im = bg * (1 - a) + fg * a
        if text and r.random() < 0.45:  # the bar
            th = max(1, int(h * r.uniform(0.1, 0.9)))
            y = int(base + h * r.uniform(0.12, 0.7)) if r.random() < 0.75 else int(top - h * r.uniform(0.15, 0.7)) - th
            xs = x0 + int((x1 - x0) * r.uniform(-0.3, 0.5))
            xe = x1 - int((x1 - x0) * r.uniform(-0.3, 0.5))
            im[max(0, y):max(0, y + th), max(0, xs):max(0, xe)] = fg
        if text and r.random() < 0.1:  # a bar that the label interrupts
            y, th, g = (top + base) // 2, max(1, size // 12), int(h * r.uniform(0.3, 0.8))
            im[y:y + th, :max(0, x0 - g)] = fg
            im[y:y + th, x1 + g:] = fg
        # The rest of the way a figure takes: resampling, compression.
        if not tiny and r.random() < 0.5:
            im = cv2.GaussianBlur(im, (0, 0), r.uniform(0.3, 1.0) * max(1.0, h / 16))
        s = r.choice([1.0, r.uniform(0.5, 1.0), r.uniform(0.8, 1.6)])
        if tiny:
            s = r.uniform(0.45, 1.0)
        s = max(s, 5.5 / h)
        if s != 1.0:
            im = cv2.resize(im, None, fx=s, fy=s, interpolation=r.choice([cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
        if r.random() < 0.25:
            im = im + n.normal(0, r.uniform(1, 14), im.shape)
        im = np.clip(im, 0, 255).astype(np.uint8)
        if r.random() < 0.4:
            im = cv2.imdecode(cv2.imencode(".jpg", im, [cv2.IMWRITE_JPEG_QUALITY, r.randint(25, 95)])[1], 0)
        top, base, x0, x1, h = top * s, base * s, x0 * s, x1 * s, h * s
        # The crop, with the errors of the line finder.
        z = (BASE - TOP) / h * r.uniform(0.86, 1.14)
        zx = z * r.uniform(0.9, 1.1)
        off = (TOP + BASE) / 2 / z + r.uniform(-0.11, 0.11) * h
        xa, xb = x0 - h * r.uniform(0.15, 0.6), x1 + h * r.uniform(0.15, 0.6)
        w = max(24, int(round((xb - xa) * zx / 4)) * 4)
        m = np.float32([[1 / zx, 0, xa + 0.5 / zx - 0.5], [0, 1 / z, (top + base) / 2 - off + 0.5 / z - 0.5]])
        im = im.astype(np.float32)
        if z < 0.8:
            im = cv2.GaussianBlur(im, (0, 0), 0.45 / z)
        out = cv2.warpAffine(im, m, (w, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
        return normalise(out), text


def normalise(a):
    """Stretches the 2nd and 98th percentile to 32 and 224 of uint8."""
    lo, hi = np.percentile(a, [2, 98])
    return np.clip((a - lo) * (192.0 / max(hi - lo, 4.0)) + 32, 0, 255).astype(np.uint8)
