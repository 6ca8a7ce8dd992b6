"""Augmented training crops: random place, scale, rotation, mirror, contrast, noise."""

import glob
import typing

import cv2
import numpy as np

CROP_PX = 256
# Object scale: the image is zoomed so that its median object diameter is log-uniform in this range,
# within the zoom limits. Objects of 11..150 px are what the network is trained for.
DIAMETER_PX = (11.0, 150.0)
ZOOM = (0.12, 2.5)
DEFAULT_DIAMETER_PX = 40.0  # for an image without objects
MAX_IMAGE_WEIGHT = 8.0  # an image is drawn with weight sqrt(objects), up to this


class Item(typing.NamedTuple):
    """One training image."""

    image: np.ndarray  # uint8 [h, w]
    labels: np.ndarray  # uint16 [h, w], 0 = background
    flow: np.ndarray  # float32 [2, h, w], unit (dy, dx)
    median_px: float  # median equivalent circular diameter of its objects
    log2_size: np.ndarray  # float32 [objects + 1], log2(diameter / 32 px) by label


class Crop(typing.NamedTuple):
    """One example; every array float32 [CROP_PX, CROP_PX]."""

    image: np.ndarray  # normalised by its 1st and 99th percentile, then augmented
    flow_y: np.ndarray
    flow_x: np.ndarray
    foreground: np.ndarray  # 0 or 1
    inside: np.ndarray  # 1 inside the source image, 0 in the mirrored margin
    log2_size: np.ndarray  # log2(object diameter / 32 px) at the crop's scale


def diameters(areas):
    """Equivalent circular diameters of AREAS."""
    return 2 * np.sqrt(areas / np.pi)


def read_item(path):
    z = np.load(path)
    labels = z["lab"]
    areas = np.bincount(labels.ravel())
    objects = areas[1:][areas[1:] > 0]
    median = np.median(diameters(objects)) if len(objects) else DEFAULT_DIAMETER_PX
    areas = areas.astype(float)
    areas[0] = 1
    log2_size = np.log2(diameters(np.maximum(areas, 1)) / 32).astype(np.float32)
    return Item(z["im"], labels, z["fl"].astype(np.float32), median, log2_size)


class Dataset:
    """The `train` images of folders made by prep.py.

    FOLDER:SHARE gives a folder that share of the crops; those without one share the rest as one set.
    Within a set an image is drawn with weight sqrt(objects), MAX_IMAGE_WEIGHT at most.
    """

    def __init__(self, folders):
        self.items, weights, rest = [], [], 1.0
        shares = [float(f.partition(":")[2] or 0) for f in folders]
        rest -= sum(shares)
        if min(shares) < 0 or rest <= 0:
            raise SystemExit("train: the shares of the folders must be below 1 together")
        for folder, share in zip(folders, shares):
            paths = sorted(glob.glob(f"{folder.partition(':')[0]}/train_*.npz"))
            if not paths:
                raise SystemExit(f"train: no train_*.npz in {folder}; make them with prep.py")
            items = [read_item(path) for path in paths]
            mine = np.sqrt([max(i.labels.max(), 1) for i in items]).clip(max=MAX_IMAGE_WEIGHT)
            self.items += items
            weights.append((mine, share))
        common = sum(mine.sum() for mine, share in weights if not share) or 1.0
        self.weights = np.concatenate(
            [mine * (share / mine.sum() if share else rest / common) for mine, share in weights]
        )
        self.weights /= self.weights.sum()

    def sample(self, rng):
        """One Crop drawn with the numpy Generator RNG; the same state gives the same crop."""
        item = self.items[rng.choice(len(self.items), p=self.weights)]
        linear, zoom = random_linear(rng, item)
        affine = about_centre(linear, random_centre(rng, item, zoom))
        image, flow_y, flow_x, labels, inside = warp(item, linear, affine, zoom)
        foreground = labels > 0
        log2_size = item.log2_size[labels] + np.log2(zoom)
        flow_y *= foreground
        flow_x *= foreground
        arrays = photometric(rng, image), flow_y, flow_x, foreground, inside, log2_size
        return Crop(*(a.astype(np.float32) for a in arrays))


def random_linear(rng, item):
    """Rotation, mirror and zoom as a 2x2 matrix over (x, y), and the zoom alone."""
    low, high = DIAMETER_PX
    zoom = np.exp(rng.uniform(np.log(low), np.log(high))) / item.median_px
    zoom = float(np.clip(zoom, *ZOOM))
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    mirror = rng.random() < 0.5
    linear = np.array([[cos, -sin], [sin, cos]]) * zoom
    if mirror:
        linear = linear @ np.array([[-1, 0], [0, 1]])
    return linear, zoom


def random_centre(rng, item, zoom):
    """Crop centre (y, x) in the source image: in 7 of 10 cases within 60 crop pixels of an object."""
    height, width = item.labels.shape
    y, x = rng.uniform(0.1, 0.9) * height, rng.uniform(0.1, 0.9) * width
    objects = item.labels.max()
    if rng.random() < 0.7 and objects > 0:
        ys, xs = np.nonzero(item.labels == rng.integers(1, objects + 1))
        if len(ys):
            j = rng.integers(len(ys))
            y, x = ys[j] + rng.uniform(-60, 60) / zoom, xs[j] + rng.uniform(-60, 60) / zoom
    return y, x


def about_centre(linear, centre):
    """2x3 affine matrix that applies LINEAR and moves CENTRE (y, x) to the crop's centre."""
    y, x = centre
    middle = np.array([[CROP_PX / 2], [CROP_PX / 2]])
    return np.concatenate([linear, middle - linear @ np.array([[x], [y]])], 1)


def warp(item, linear, affine, zoom):
    """Image, flow (y, x), labels and inside mask of the crop; the flow vectors turn with the image."""

    def apply(source, interpolation, border=cv2.BORDER_CONSTANT):
        return cv2.warpAffine(
            source, affine, (CROP_PX, CROP_PX), flags=interpolation, borderMode=border
        )

    source = item.image
    if zoom < 0.7:  # against aliasing
        source = cv2.GaussianBlur(source, (0, 0), 0.4 / zoom)
    image = apply(source, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101).astype(np.float32)
    labels = apply(item.labels, cv2.INTER_NEAREST, cv2.BORDER_REFLECT_101)
    inside = apply(np.ones_like(item.image), cv2.INTER_NEAREST)
    fy, fx = apply(item.flow[0], cv2.INTER_LINEAR), apply(item.flow[1], cv2.INTER_LINEAR)

    turn = linear / zoom
    flow_x = turn[0, 0] * fx + turn[0, 1] * fy
    flow_y = turn[1, 0] * fx + turn[1, 1] * fy
    # Back to unit length after interpolation, but for short vectors near centres and ridges.
    norm = np.sqrt(flow_x * flow_x + flow_y * flow_y) + 1e-6
    flow_x /= np.maximum(norm, 0.3)
    flow_y /= np.maximum(norm, 0.3)
    return image, flow_y, flow_x, labels, inside


def normalise(image, floor):
    """IMAGE with its 1st percentile at 0 and its 99th at 1; their distance counts as FLOOR at least."""
    low, high = np.percentile(image, 1), np.percentile(image, 99)
    return (image - low) / max(high - low, floor)


def photometric(rng, image):
    """Normalised image with random inversion, gamma, shading, blur, noise, gain and offset."""
    x = normalise(image, 8)
    if rng.random() < 0.4:
        x = 1 - x
    x = np.sign(x) * np.abs(x) ** np.exp(rng.normal(0, 0.3))
    if rng.random() < 0.3:
        slope = rng.normal(0, 0.25, (2,))
        ys, xs = np.mgrid[-0.5 : 0.5 : CROP_PX * 1j, -0.5 : 0.5 : CROP_PX * 1j]
        x = x + slope[0] * ys + slope[1] * xs
    if rng.random() < 0.25:
        x = cv2.GaussianBlur(x.astype(np.float32), (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.6:
        x = x + rng.normal(0, rng.uniform(0, 0.14), x.shape)
    x = normalise(x, 1e-3)
    return x * rng.uniform(0.9, 1.1) + rng.normal(0, 0.05)
