"""The int8 form in the layout that CPUs run fastest: the network written out once more, channels last.

A quantised network as `quantize_static` leaves it has its activations channels first in many of its steps: ONNX
Runtime spends half of its time on moving bytes about. Here every step works on unsigned 8-bit activations
[n, h, w, c], weights are signed 8-bit with one scale per output channel, sums are 32-bit, and what has to be copied is
copied once:

- nearest-neighbour enlargement is two concatenations of a tensor with itself;
- where coarse features stand beside fine ones, their scales differ: the convolution's weights for the coarse ones
  take the difference up, so that the bytes are only put side by side;
- the image comes in as bytes and the field leaves channels last; `infer/packed.go` writes and reads them.

Input `packed` uint8 [n, h/2, w/2, 8]: for each 2x2 block its four grey values (row by row), coarse, then what the
coarse byte leaves of each, fine. A grey value g (0 at the 1st percentile, 1 at the 99th) is
COARSE_STEP * (coarse - ZERO) + FINE_STEP * (fine - ZERO). Output `packed_field` float32
[n, h/2 * w/2, 16]: channel 4c + 2y + x is plane c of the block's pixel (y, x).
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Grey values from -3.2 to 4.8 (what is outside is clipped), known to 1/512.
COARSE_STEP, FINE_STEP = 1 / 32, 1 / 512
ZERO = 102  # of both, so that padding is grey 0

MS = "com.microsoft"


class Packer:
    """Writes the nodes of one network. Names of tensors are those of the module that makes them."""

    def __init__(self, plain, quantized):
        self.weights = {t.name: numpy_helper.to_array(t) for t in plain.graph.initializer}
        self.convs = {n.name: n for n in plain.graph.node if n.op_type in ("Conv", "FusedConv")}
        self.known = {t.name: numpy_helper.to_array(t) for t in quantized.graph.initializer}
        self.nodes, self.initial, self.count = [], {}, 0

    def constant(self, value, dtype):
        value = np.asarray(value, dtype)
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self.initial:
            self.initial[key] = numpy_helper.from_array(value, f"k{len(self.initial)}")
        return self.initial[key].name

    def node(self, op, inputs, domain="", **attributes):
        self.count += 1
        out = f"t{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{op}_{self.count}", domain=domain, **attributes))
        return out

    def range_of(self, tensor):
        """Scale and zero point that the calibration gave a tensor of the quantised network."""
        return float(self.known[f"{tensor}_scale"].ravel()[0]), int(self.known[f"{tensor}_zero_point"].ravel()[0])

    def kernel(self, module):
        """Weights [out, in, y, x] and bias of a convolution, batch norm folded in."""
        conv = self.convs[f"/{module}/Conv"]
        weights = self.weights[conv.input[1]].astype(np.float64)
        bias = self.weights[conv.input[2]].astype(np.float64) if len(conv.input) > 2 else np.zeros(len(weights))
        return weights, bias, conv.output[0]

    def conv(self, module, x, of, then=None):
        """QLinearConv of activations x; `of` is (scale of each input channel or one for all, zero point)."""
        weights, bias, out = self.kernel(module)
        return self.qlinear(x, of, weights, bias, self.range_of(then or out))

    def qlinear(self, x, of, weights, bias, to):
        scales, zero = of
        scales = np.broadcast_to(np.asarray(scales, np.float64), weights.shape[1])
        one = scales.max()
        weights = weights * (scales / one)[None, :, None, None]
        steps = np.maximum(np.abs(weights).reshape(len(weights), -1).max(1), 1e-12) / 127
        whole = np.clip(np.rint(weights / steps[:, None, None, None]), -127, 127)
        side = weights.shape[2]
        out = self.node(
            "QLinearConv",
            [x, self.constant(one, np.float32), self.constant(zero, np.uint8), self.constant(whole, np.int8),
             self.constant(steps, np.float32), self.constant(np.zeros(len(weights)), np.int8),
             self.constant(to[0], np.float32), self.constant(to[1], np.uint8),
             self.constant(np.rint(bias / (steps * one)), np.int32)],
            MS, channels_last=1, kernel_shape=[side, side], pads=[side // 2] * 4, strides=[1, 1], dilations=[1, 1], group=1,
        )
        return out, to

    def add(self, a, b, tensor):
        """a + b, each a pair of tensor and range, in the range of a tensor of the quantised network."""
        to = self.range_of(tensor)
        inputs = [v for x, (scale, zero) in (a, b) for v in (x, self.constant(scale, np.float32), self.constant(zero, np.uint8))]
        return self.node("QLinearAdd", inputs + [self.constant(to[0], np.float32), self.constant(to[1], np.uint8)], MS), to

    def halve(self, x):
        return self.node("NhwcMaxPool", [x], MS, kernel_shape=[2, 2], strides=[2, 2])

    def twice(self, x, channels, like):
        """Nearest-neighbour enlargement to the height and width of `like`."""
        wide = self.node("Concat", [x, x], axis=3)
        rows = self.node("Reshape", [wide, self.constant([0, 0, -1], np.int64)])
        both = self.node("Concat", [rows, rows], axis=2)
        size = self.node("Slice", [self.node("Shape", [like]), self.constant([0], np.int64), self.constant([3], np.int64)])
        shape = self.node("Concat", [size, self.constant([channels], np.int64)], axis=0)
        return self.node("Reshape", [both, shape])

    def residual(self, block, x, of, prefix=""):
        """relu(b(a(x)) + p(x)), p the identity where the widths agree."""
        name = block.replace(".", "/", 1) if prefix else block
        a, after = self.conv(f"{name}/a/a.0", x, of, f"/{name}/a/a.2/Relu_output_0")
        b = self.conv(f"{name}/b/b.0", a, after)
        p = self.conv(f"{name}/p", x, of) if f"/{name}/p/Conv" in self.convs else (x, of)
        return self.add(b, p, f"/{name}/Relu_output_0")


def stem(packer):
    """The first convolution, on coarse and fine bytes."""
    weights, bias, _ = packer.kernel("inp/inp.0")
    both = np.concatenate([weights * COARSE_STEP, weights * FINE_STEP], 1)
    return packer.qlinear("packed", (1.0, ZERO), both, bias, packer.range_of("/inp/inp.2/Relu_output_0"))


def head(packer, x, of, channels):
    """The 1x1 convolution that makes the field, as a product of 8-bit integers with a float32 result."""
    weights, bias, _ = packer.kernel("head")
    weights = weights[:, :, 0, 0].T  # [in, out]
    steps = np.abs(weights).max(0) / 127
    rows = packer.node("Reshape", [x, packer.constant([0, -1, channels], np.int64)])
    packer.nodes.append(helper.make_node(
        "MatMulIntegerToFloat",
        [rows, packer.constant(np.rint(weights / steps), np.int8), packer.constant(of[0], np.float32),
         packer.constant(steps, np.float32), packer.constant(of[1], np.uint8), packer.constant(np.zeros(len(steps)), np.int8),
         packer.constant(bias, np.float32)],
        ["packed_field"], domain=MS))


def pack(plain, quantized):
    """The packed form of a network: `plain` has folded batch norms, `quantized` the calibrated ranges."""
    p = Packer(plain, quantized)
    levels = 1 + max(int(n.split("/")[1].split(".")[1]) for n in p.convs if n.startswith("/enc."))
    adds = any(n.startswith("/up.") for n in p.convs)
    x, of = stem(p)
    skips = []
    for k in range(levels):
        if k > 0:
            x = p.halve(x)
        x, of = p.residual(f"enc.{k}", x, of)
        skips.append((x, of, len(p.kernel(f"enc.{k}/b/b.0")[0])))
    for k in range(levels - 2, -1, -1):
        skip, skip_of, channels = skips[k]
        if adds:
            x, of = p.conv(f"up.{k}/up.{k}.0", x, of)
            x = p.twice(x, channels, skip)
            turn = levels - 2 - k
            x, of = p.add((x, of), (skip, skip_of), f"/Relu_{turn}_output_0" if turn else "/Relu_output_0")
        else:
            if of[1] or skip_of[1]:
                raise SystemExit("pack: activations put side by side must have the zero point 0")
            coarse = len(p.kernel(f"{'enc' if k == levels - 2 else 'dec'}.{k + 1}/b/b.0")[0])
            x = p.node("Concat", [p.twice(x, coarse, skip), skip], axis=3)
            of = (np.array([of[0]] * coarse + [skip_of[0]] * channels), 0)
        x, of = p.residual(f"dec.{k}", x, of)
    head(p, x, of, skips[0][2])
    packed = helper.make_tensor_value_info("packed", TensorProto.UINT8, ["n", "h2", "w2", 8])
    field = helper.make_tensor_value_info("packed_field", TensorProto.FLOAT, ["n", "blocks", 16])
    graph = helper.make_graph(p.nodes, "packed", [packed], [field], list(p.initial.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16), helper.make_opsetid(MS, 1)], ir_version=8)
