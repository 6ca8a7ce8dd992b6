"""FP16 form of an exported network, for GPUs.

build/venv/bin/python halve.py MODEL.onnx OUT.onnx

Batch norms are folded first, in float32. Between a cast of the image and a cast of the field everything
is float16. ONNX Runtime's CPU provider runs the file too (it computes each node in float32 and rounds its
result), so that its accuracy can be scored without a GPU.
"""

import argparse
import os
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from quantize import folded


def halve(model):
    graph = model.graph
    used_as_scales = {name for n in graph.node if n.op_type == "Resize" for name in n.input[1:]}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in used_as_scales:
            values = numpy_helper.to_array(tensor)
            if np.abs(values).max() > 6e4:
                raise SystemExit(f"halve: {tensor.name} does not fit float16")
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
    for node in graph.node:
        node.input[:] = ["image_fp16" if name == "image" else name for name in node.input]
        node.output[:] = ["field_fp16" if name == "field" else name for name in node.output]
    graph.node.insert(0, helper.make_node("Cast", ["image"], ["image_fp16"], to=TensorProto.FLOAT16))
    graph.node.append(helper.make_node("Cast", ["field_fp16"], ["field"], to=TensorProto.FLOAT))
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = folded(args.model, os.path.join(folder, "plain.onnx"))
    onnx.save(halve(model), args.out)
    print(f"{args.out}: {os.path.getsize(args.out)} bytes")


if __name__ == "__main__":
    main()
