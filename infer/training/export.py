"""Writes the network as ONNX: float32 arithmetic, convolution weights stored as float16.

python3 export.py WEIGHTS OUT.onnx

The file is opset 16 with input `image` [n, 1, h, w] and output `field` [n, 4, h, w], n, h and w free
(h and w multiples of 32). Convolution weights are rounded to float16 and cast back to float32 in the
graph, which halves the file; ONNX Runtime folds the casts and the batch norms when it loads it. The
rounded weights are the model that ships: the file is checked against PyTorch with the same rounded
weights on random input, and the script fails when they differ by more than 1e-4.
"""

import argparse
import hashlib
import os
import pathlib
import tempfile
import time
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from net import OUTPUTS, load

OPSET = 16
TOLERANCE = 1e-4
CHECK_SHAPE = (2, 1, 192, 320)  # neither the traced shape nor a square


def round_convolutions(net):
    """Rounds the convolution weights of NET to float16 precision, in place; returns NET."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.copy_(module.weight.half().float())
    return net


def export_float32(net, path):
    """PyTorch's own export. Batch norms stay separate, so that the weights stay exact in float16."""
    free = {0: "n", 2: "h", 3: "w"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            torch.zeros(1, 1, 256, 256),
            path,
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,
            input_names=["image"],
            output_names=["field"],
            dynamic_axes={"image": free, "field": free},
        )


def store_as_float16(model):
    """MODEL with each convolution weight as a float16 initialiser and a Cast to float32 behind it."""
    graph = model.graph
    weights = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    casts = []
    for tensor in graph.initializer:
        if tensor.name not in weights:
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            raise SystemExit(
                f"export: {tensor.name} is not exact in float16; round the weights first"
            )
        name = tensor.name
        stored = f"{name}_f16"
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
    onnx.checker.check_model(model, full_check=True)
    return model


def write(model, path):
    """Writes MODEL to PATH whole or not at all."""
    part = path.with_name(path.name + ".part")
    onnx.save(model, str(part))
    os.replace(part, path)


def torch_output(net, image):
    with torch.no_grad():
        return net(torch.from_numpy(image)).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="made by train.py")
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()

    net = load(args.weights)
    image = np.random.default_rng(1).normal(0.5, 0.5, CHECK_SHAPE).astype(np.float32)
    unrounded = torch_output(net, image)
    rounded = torch_output(round_convolutions(net), image)

    with tempfile.TemporaryDirectory() as folder:
        traced = os.path.join(folder, "float32.onnx")
        export_float32(net, traced)
        model = onnx.load(traced)
    write(store_as_float16(model), args.out)

    start = time.perf_counter()
    session = onnxruntime.InferenceSession(str(args.out), providers=["CPUExecutionProvider"])
    loaded_ms = (time.perf_counter() - start) * 1000
    (field,) = session.run(None, {"image": image})
    assert field.shape == (CHECK_SHAPE[0], OUTPUTS, *CHECK_SHAPE[2:]), field.shape

    difference = np.abs(field - rounded).max()
    data = args.out.read_bytes()
    print(f"sha256 {hashlib.sha256(data).hexdigest()}")
    print(
        f"{len(data)} bytes, loaded in {loaded_ms:.0f} ms by ONNX Runtime {onnxruntime.__version__}"
    )
    print(f"largest difference to PyTorch, same weights: {difference:.2g}")
    print(f"largest change by rounding the weights: {np.abs(unrounded - rounded).max():.2g}")
    if not difference <= TOLERANCE:
        raise SystemExit(
            f"export: differs from PyTorch by {difference:.2g}, more than {TOLERANCE:g}"
        )


if __name__ == "__main__":
    main()
