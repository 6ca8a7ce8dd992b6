"""The baseline to beat: Otsu threshold and distance-transform watershed, as label images.

python3 watershed.py OUT IMAGE... [--truth LABELDIR] [--polarity best|bright|dark]

Writes OUT/NAME.png (16-bit, 0 = background, 1..N = object) for every image; compare with
`aimsd evaluate --truth LABELDIR --labels OUT IMAGE...`. The polarity (objects brighter or darker than their
surroundings) that scores the higher AP at IoU 0.5 against the truth is taken, image by image: an advantage that
no method has in use, given so that the comparison cannot be called unfair. Without --truth the rarer side of the
threshold is the objects.

Smoothing 1.5 px of the image and of the distance, holes filled (shading inside bright particles would split them),
least distance of two centres 7 px (scikit-image), objects below 20 px dropped.
"""

import argparse
import pathlib
import sys

import cv2
import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

LABEL_SUFFIXES = (".tif", ".tiff", ".png", ".pgm")


def objects_of(smooth, threshold, dark, sigma, distance, least_px):
    """Labels int32 [h, w], 1..n, of the pixels above (dark: up to) the threshold of a smoothed image [h, w]."""
    foreground = ndimage.binary_fill_holes(smooth <= threshold if dark else smooth > threshold)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(foreground), sigma)
    peaks = peak_local_max(depth, min_distance=distance, exclude_border=False)
    peaks = peaks[foreground[tuple(peaks.T)]]
    markers = np.zeros(smooth.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-depth, markers, mask=foreground)
    kept = np.bincount(labels.ravel()) >= least_px
    kept[0] = False
    return (np.cumsum(kept) * kept)[labels].astype(np.int32)


def average_precision(truth, found):
    """TP / (TP + FP + FN) at IoU above 0.5; int [h, w] each, 0 = background."""
    ids, truth = np.unique(truth, return_inverse=True)
    truth = truth.reshape(found.shape) + (1 if ids[0] > 0 else 0)
    true_count, found_count = int(truth.max()), int(found.max())
    if true_count == 0 or found_count == 0:
        return 0.0
    pairs = truth.astype(np.int64) * (found_count + 1) + found
    shared = np.bincount(pairs.ravel(), minlength=(true_count + 1) * (found_count + 1))
    shared = shared.reshape(true_count + 1, found_count + 1)
    union = shared.sum(1)[1:, None] + shared.sum(0)[None, 1:] - shared[1:, 1:]
    matched = int((2 * shared[1:, 1:] > union).sum())
    return matched / (true_count + found_count - matched)


def segment(image, truth, args):
    """Labels int32 [h, w] of a grey image [h, w]."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), args.smoothing)
    if smooth.min() == smooth.max():
        return np.zeros(image.shape, np.int32)
    threshold = threshold_otsu(smooth)
    rare_is_dark = 2 * int((smooth <= threshold).sum()) < smooth.size
    choices = {"bright": [False], "dark": [True], "best": [False, True]}[args.polarity]
    if args.polarity == "best" and truth is None:
        choices = [rare_is_dark]
    found = [
        objects_of(smooth, threshold, dark, args.smoothing, args.min_distance, args.min_area)
        for dark in choices
    ]
    if len(found) == 1:
        return found[0]
    return max(found, key=lambda labels: average_precision(truth, labels))


def read(path, flags):
    image = cv2.imread(str(path), flags)
    if image is None:
        sys.exit(f"watershed: {path} is missing or no image; give PNG, TIFF, PGM or JPEG files")
    return image


def truth_of(path, folder):
    if folder is None:
        return None
    for suffix in LABEL_SUFFIXES:
        candidate = folder / (path.stem + suffix)
        if candidate.exists():
            return read(candidate, cv2.IMREAD_UNCHANGED)
    sys.exit(f"watershed: {folder} has no label image for {path.name}; leave --truth out or add it")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path, help="folder for the label images")
    parser.add_argument("images", type=pathlib.Path, nargs="+", help="grey images")
    parser.add_argument("--truth", type=pathlib.Path, help="folder of label images, to choose the polarity")
    parser.add_argument("--polarity", choices=("best", "bright", "dark"), default="best")
    parser.add_argument("--smoothing", type=float, default=1.5, help="px, Gaussian sigma")
    parser.add_argument("--min-distance", type=int, default=7, help="px between centres")
    parser.add_argument("--min-area", type=int, default=20, help="px, smaller objects are dropped")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.images:
        image = read(path, cv2.IMREAD_GRAYSCALE)
        truth = truth_of(path, args.truth)
        if truth is not None and truth.shape != image.shape:
            sys.exit(f"watershed: {path.name} and its truth differ in size; give the labels of this image")
        labels = segment(image, truth, args)
        if labels.max() > 65535:
            sys.exit(f"watershed: {path.name} has {labels.max()} objects, more than 16 bits hold; raise --min-area")
        cv2.imwrite(str(args.out / (path.stem + ".png")), labels.astype(np.uint16))
    print(f"{len(args.images)} label images in {args.out}")


if __name__ == "__main__":
    main()
