"""INT8 form of an exported network: static quantisation, calibrated on real tiles.

build/venv/bin/python quantize.py MODEL.onnx OUT.onnx NPZDIR [--images 48]

Convolutions run on unsigned 8-bit activations and signed 8-bit weights, one scale per output channel. The first
convolution sees the image in 12 bits, and the head, which makes the flow, adds up in 32 bits and answers in float32.
Normalising, clipping and blending are outside the network and in float32 anyway. Ranges are percentiles
over crops of the training images at the image scales aimsd uses. pack.py writes the file. Prints the largest activation.
"""

import argparse
import glob
import os
import tempfile

import cv2
import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

import pack

SIDE = 256
SCALES = (2.0, 1.0, 0.5, 0.25)
SEED = 5


def crops(folder, images):
    """float32 [1, 1, SIDE, SIDE] crops of evenly chosen training images at random scales."""
    rng = np.random.default_rng(SEED)
    paths = sorted(glob.glob(f"{folder}/train_*.npz"))
    for path in paths[:: max(len(paths) // images, 1)][:images]:
        x = np.load(path)["im"].astype(np.float32)
        low, high = np.percentile(x, 1), np.percentile(x, 99)
        x = (x - low) / max(high - low, 1e-3)
        scale = float(rng.choice(SCALES))
        x = cv2.resize(x, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        pad = [(0, max(SIDE - side, 0)) for side in x.shape]
        x = np.pad(x, pad, mode="symmetric")
        y, x0 = (int(rng.integers(side - SIDE + 1)) for side in x.shape)
        yield np.ascontiguousarray(x[y : y + SIDE, x0 : x0 + SIDE])[None, None]


class Reader(CalibrationDataReader):
    def __init__(self, folder, images):
        self.crops = list(crops(folder, images))
        self.next = iter(self.crops)

    def get_next(self):
        crop = next(self.next, None)
        return None if crop is None else {"image": crop}


def folded(path, out):
    """MODEL with its casts and batch norms folded into the convolutions."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = out
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return onnx.load(out)


def largest_activation(path, reader):
    """Greatest absolute value of any tensor of the network over the calibration crops."""
    model = onnx.load(path)
    names = [o for node in model.graph.node for o in node.output]
    known = {o.name for o in model.graph.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names if n not in known)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return max(float(np.abs(v).max()) for c in reader.crops[:4] for v in session.run(None, {"image": c}) if v.size and v.dtype == np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("npz", help="folder made by prep.py")
    parser.add_argument("--images", type=int, default=48)
    args = parser.parse_args()

    reader = Reader(args.npz, args.images)
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "plain.onnx")
        graph = folded(args.model, plain).graph
        convolutions = [n.name for n in graph.node if n.op_type in ("Conv", "FusedConv")]
        print(f"{len(convolutions)} convolutions; largest activation {largest_activation(plain, reader):.1f}")
        ranges = os.path.join(folder, "ranges.onnx")
        quantize_static(
            plain,
            ranges,
            reader,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": 99.999, "ActivationSymmetric": False},
            nodes_to_exclude=[convolutions[0], convolutions[-1]],
        )
        onnx.save(pack.pack(onnx.load(plain), onnx.load(ranges)), args.out)
    print(f"{args.out}: {os.path.getsize(args.out)} bytes")


if __name__ == "__main__":
    main()
