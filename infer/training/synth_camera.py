"""What the microscope and the publisher add: blur, noise, charging, drift, panels, text, JPEG."""

import string

import cv2
import numpy as np
import scipy.ndimage
import scipy.signal

import synth_texture as texture


def charging(rng, img):
    """Dark or bright tails to the right of bright places, and streaked lines."""
    h, w = img.shape
    length = rng.uniform(10, 120)
    k = np.exp(-1 / length)
    bright = np.maximum(img - np.percentile(img, 80), 0)
    tail = scipy.signal.lfilter([1 - k], [1, -k], bright, axis=1).astype(np.float32)
    img = img - rng.normal(0, 1.2) * tail
    if rng.random() < 0.4:
        for _ in range(rng.integers(1, 12)):
            y, x = rng.integers(h), rng.integers(w)
            reach = int(rng.integers(20, w))
            rows = slice(y, y + int(rng.integers(1, 4)))
            img[rows, x : x + reach] += rng.normal(0, 0.15)
    return img


def curtains(rng, img):
    """Vertical streaks of ion milling."""
    h, w = img.shape
    streaks = texture.smooth(rng, w, h, rng.uniform(1.5, 8), rng.uniform(30, 200)).T
    return img + rng.uniform(0.01, 0.08) * streaks


def line_faults(rng, img):
    """Brightness that changes from line to line and lines that jitter by parts of a pixel."""
    h, w = img.shape
    gain = texture.smooth(rng, h, 8, rng.uniform(1, 40))[:, :1]
    img = img * (1 + rng.uniform(0, 0.04) * gain)
    if rng.random() < 0.5:
        shift = rng.normal(0, rng.uniform(0.05, 0.35), (h, 1)).astype(np.float32)
        ys, xs = np.mgrid[:h, :w].astype(np.float32)
        img = cv2.remap(img, xs + shift, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return img


def drift(rng, img, lab):
    """A slow sideways bend of the whole field, of image and labels alike."""
    h, w = img.shape
    shift = texture.smooth(rng, h, 8, rng.uniform(80, 400))[:, :1] * rng.uniform(0, 4)
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    xs = xs + shift
    img = cv2.remap(img, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    lab = cv2.remap(
        lab.astype(np.uint16), xs, ys, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
    )
    return img, lab.astype(np.int32)


def vignette(rng, img):
    """A slope and a bowl of brightness over the field."""
    h, w = img.shape
    ys, xs = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    a, b, c = rng.normal(0, 0.07, 3)
    return img + (a * ys + b * xs + 0.7 * c * (ys * ys + xs * xs)).astype(np.float32)


def noise(rng, img, clean):
    """Shot and electronic noise, slightly blurred as by a scan slower than the detector."""
    dose = np.exp(rng.uniform(np.log(500 if clean else 40), np.log(3000)))
    out = rng.poisson(np.clip(img, 0, 2) * dose).astype(np.float32) / dose
    electronic = 0.005 if clean else rng.choice([0.005, 0.02, 0.05])
    out += rng.normal(0, electronic, img.shape).astype(np.float32)
    if rng.random() < 0.5:
        out = img + cv2.GaussianBlur(out - img, (0, 0), rng.uniform(0.4, 1.1))
    return out


def letters(rng, count):
    pool = string.ascii_letters + string.digits
    return "".join(pool[i] for i in rng.integers(0, len(pool), count))


FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_PLAIN,
)


def write(image, mask, text, x, y, height, value, font, bold):
    """TEXT with its lower left corner at (X, Y) into IMAGE, its pixels into MASK."""
    (_, high), _ = cv2.getTextSize(text, font, 1, 1)
    scale = height / high
    cv2.putText(image, text, (x, y), font, scale, value, bold, cv2.LINE_AA)
    cv2.putText(mask, text, (x, y), font, scale, 255, bold, cv2.LINE_8)


def length_text(rng):
    number = rng.choice([1, 2, 5, 10, 20, 50, 100, 200, 300, 500])
    return f"{number}{rng.choice(['', ' '])}{rng.choice(['nm', 'um', 'mm'])}"


def scale_bar(rng, image, mask, value, left, right, low):
    """A bar and its length, somewhere in columns LEFT..RIGHT above row LOW."""
    font, height = FONTS[rng.integers(len(FONTS))], int(rng.integers(9, 26))
    text = length_text(rng)
    (wide, high), _ = cv2.getTextSize(text, font, 1, 1)
    wide = int(wide * height / high)
    bold = int(rng.integers(1, 2 + height // 8))
    length = int(rng.uniform(0.06, 0.3) * image.shape[1])
    x = int(min(rng.uniform(left, right), image.shape[1] - max(length, wide) - 8))
    thick = int(rng.integers(2, 9))
    y = int(low - rng.integers(4, 30))
    if rng.random() < 0.2:  # on a box
        top = max(y - thick - height - 12, 0)
        a, b = (max(x - 8, 0), top), (x + max(length, wide) + 8, min(y + 7, image.shape[0] - 1))
        cv2.rectangle(image, a, b, 255 - value, -1)
        cv2.rectangle(mask, a, b, 255, -1)
    for canvas, v in ((image, value), (mask, 255)):
        cv2.rectangle(canvas, (x, y - thick + 1), (x + length, y), v, -1)
    if rng.random() < 0.25:  # with end ticks
        for end in (x, x + length):
            for canvas, v in ((image, value), (mask, 255)):
                cv2.line(canvas, (end, y - thick - 3), (end, y + 3), v, 2)
    write(image, mask, text, x, y - thick - 5, height, value, font, bold)


def panel(rng, image, mask):
    """An information bar along the lower edge."""
    h, w = image.shape
    high = int(rng.uniform(0.05, 0.12) * h)
    ground = int(rng.choice([0, 0, 255, rng.integers(20, 90)]))
    value = 255 if ground < 128 else 0
    image[h - high :] = ground
    mask[h - high :] = 255
    font, x = FONTS[rng.integers(len(FONTS))], int(rng.integers(4, 20))
    lines = 1 if high < 40 else int(rng.integers(1, 3))
    size = max(int(high / lines * rng.uniform(0.3, 0.5)), 7)
    words = ["HV", "WD", "mag", "det", "ETD", "SE", "BSE", "HFW", "spot", "kV", "curr", "x"]
    for line in range(lines):
        x, y = int(rng.integers(4, 20)), h - high + int((line + 0.75) * high / lines)
        while x < 0.65 * w:
            word = f"{rng.uniform(0, 100):.{rng.integers(0, 3)}f}"
            if rng.random() < 0.4:
                word = rng.choice(words)
            if rng.random() < 0.2:
                word = letters(rng, int(rng.integers(2, 9)))
            write(image, mask, str(word), x, y, size, value, font, 1)
            x += int(size * (1.2 * len(str(word)) + rng.uniform(0.5, 3)))
    scale_bar(rng, image, mask, value, 0.75 * w, w, h - 2)
    mask[h - high :] = 255


def decorate(rng, image, lab):
    """Panel, scale bar, letters, arrows on an 8-bit image; their pixels become background."""
    mask = np.zeros_like(image)
    h, w = image.shape
    low = h
    if rng.random() < 0.35:
        panel(rng, image, mask)
        low = int(0.88 * h)
    elif rng.random() < 0.8:
        scale_bar(rng, image, mask, int(rng.choice([0, 255])), 5, w - 5, h - 5)
    if rng.random() < 0.6:  # the letter of a figure's part
        text = str(rng.choice(list("abcdefghABCDEF")))
        forms = [text, f"({text})", f"{text})", f"{text}{rng.integers(1, 5)}", letters(rng, 5)]
        text = rng.choice(forms)
        size = int(rng.integers(14, 44))
        font = FONTS[rng.integers(len(FONTS))]
        value = int(rng.choice([0, 255]))
        if rng.random() < 0.3:
            box = size * len(text) + 8, size + 14
            image[: box[1], : box[0]] = 255 - value
            mask[: box[1], : box[0]] = 255
        write(image, mask, text, 5, size + 6, size, value, font, max(size // 9, 1))
    for _ in range(rng.integers(0, 4) if rng.random() < 0.3 else 0):
        a = rng.integers(0, w), rng.integers(0, low)
        b = int(a[0] + rng.normal(0, 50)), int(a[1] + rng.normal(0, 50))
        value, thick = int(rng.choice([0, 255])), int(rng.integers(1, 4))
        for canvas, v in ((image, value), (mask, 255)):
            start = int(a[0]), int(a[1])
            cv2.arrowedLine(canvas, start, b, v, thick, cv2.LINE_AA, tipLength=0.25)
    if rng.random() < 0.08:  # a frame, as cut out of a figure
        edge = int(rng.integers(2, 14))
        value = int(rng.choice([0, 255]))
        frame = np.ones_like(image, bool)
        frame[edge:-edge, edge:-edge] = False
        image[frame], mask[frame] = value, 255
    # The inside of a letter is no part of an object either.
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    lab[mask > 0] = 0


def visible(image, lab):
    """Whether most objects of an 8-bit image differ at their outline from the background there.

    The median object's step must exceed 5 grey levels and the noise of a single pixel.
    """
    image = image.astype(np.float32)
    rough = image - cv2.GaussianBlur(image, (0, 0), 1.2)
    noise_level = 1.48 * float(np.median(np.abs(rough)))
    disc, steps = np.ones((7, 7), np.uint8), []
    boxes = scipy.ndimage.find_objects(lab)
    for k in range(0, len(boxes), max(len(boxes) // 60, 1)):
        if boxes[k] is None:
            continue
        box = tuple(slice(max(s.start - 4, 0), s.stop + 4) for s in boxes[k])
        mine = (lab[box] == k + 1).astype(np.uint8)
        within = mine > cv2.erode(mine, disc)
        without = (cv2.dilate(mine, disc) > 0) & (lab[box] == 0)
        if without.sum() >= 10 and within.any():
            steps.append(abs(image[box][within].mean() - image[box][without].mean()))
    return not steps or np.median(steps) > max(5, noise_level)


def take(rng, img, lab, decorations=0.25):
    """The 8-bit micrograph of a scene and its labels; DECORATIONS is the share of those with text.

    IMG float32 brightness about 0..1, LAB int32. The blur is symmetric: outlines stay at half
    height. What nobody could see is taken again with less noise.
    """
    if rng.random() < 0.6:
        img = vignette(rng, img)
    if rng.random() < 0.2:
        img, lab = drift(rng, img, lab)
    image = expose(rng, img, False)
    if not visible(image, lab):
        image = expose(rng, img, True)
    lab = lab.copy()
    if rng.random() < decorations:
        decorate(rng, image, lab)
    if rng.random() < 0.5:
        quality = int(rng.integers(45, 96))
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return image, lab


def expose(rng, img, clean):
    """Optics, scan and detector: 8 bits; CLEAN without most of the noise and faults."""
    img = cv2.GaussianBlur(img, (0, 0), np.exp(rng.uniform(np.log(0.5), np.log(1.8))))
    if not clean and rng.random() < 0.25:
        img = charging(rng, img)
    if not clean and rng.random() < 0.12:
        img = curtains(rng, img)
    if not clean and rng.random() < 0.5:
        img = line_faults(rng, img)
    low, high = np.percentile(img, [rng.uniform(0, 1), rng.uniform(99, 100)])
    span = max(high - low, 0.12)
    img = (img - (low + high) / 2) / span + 0.5  # the operator's contrast
    contrast = rng.uniform(0.8 if clean else 0.35, 1.25)
    middle = rng.uniform(0.35, 0.65) if contrast > 0.8 else rng.uniform(0.2, 0.8)
    img = noise(rng, np.clip((img - 0.5) * contrast + middle, 0, 1.1), clean)
    img = np.clip(img, 0, 1) ** np.exp(rng.normal(0, 0.2))
    return np.clip(np.round(img * 255), 0, 255).astype(np.uint8)
