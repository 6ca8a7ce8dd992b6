"""The network: a residual U-Net that works at half resolution."""

import torch
import torch.nn.functional as F
from torch import nn

# Channels at strides 2, 4, 8, 16, 32 of the input image.
CHANNELS = {"large": (32, 64, 128, 256, 256), "light": (24, 48, 96, 192, 192)}
OUTPUTS = 4  # dy * 5, dx * 5, foreground logit, log2(object diameter / 32 px)
STRIDE = 32  # input height and width must be multiples of this
FLOW_GAIN = 5.0  # unit flow vectors are learned times this
SIZE_UNIT_PX = 32.0  # output 3 is log2(diameter / SIZE_UNIT_PX)


def conv_norm(inputs, outputs):
    """3x3 convolution and batch norm, in the order the residual block wants them."""
    return (nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))


def conv_norm_relu(inputs, outputs):
    return nn.Sequential(*conv_norm(inputs, outputs), nn.ReLU(inplace=True))


def projection(inputs, outputs):
    """1x1 convolution and batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two 3x3 convolutions beside a 1x1 projection (identity where the widths agree)."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = conv_norm_relu(inputs, outputs)
        self.b = nn.Sequential(*conv_norm(outputs, outputs))
        self.p = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        return F.relu(self.b(self.a(x)) + self.p(x))


class HalfResolutionUNet(nn.Module):
    """Pixel-unshuffle stem, U-Net, pixel-shuffle head.

    image float32 [n, 1, h, w] -> field float32 [n, OUTPUTS, h, w]; h and w multiples of STRIDE.
    Unshuffling 2x2 pixels into channels loses nothing and makes the network four times cheaper
    than the same U-Net at full resolution. Going up, the large one puts coarse features beside the
    fine ones; the light one projects and adds them, which halves the decoder.
    """

    def __init__(self, size="large", outputs=OUTPUTS):
        super().__init__()
        channels, adds = CHANNELS[size], size == "light"
        levels = len(channels)
        self.inp = conv_norm_relu(4, channels[0])
        self.enc = nn.ModuleList(
            [Residual(channels[max(k - 1, 0)], channels[k]) for k in range(levels)]
        )
        if adds:
            self.up = nn.ModuleList(
                [projection(channels[k + 1], channels[k]) for k in range(levels - 1)]
            )
        self.dec = nn.ModuleList(
            [
                Residual(channels[k] + (0 if adds else channels[k + 1]), channels[k])
                for k in range(levels - 1)
            ]
        )
        self.adds = adds
        self.head = nn.Conv2d(channels[0], outputs * 4, 1)

    def forward(self, x):
        x = self.inp(F.pixel_unshuffle(x, 2))
        skips = []
        for k, block in enumerate(self.enc):
            if k > 0:
                x = F.max_pool2d(x, 2)
            x = block(x)
            skips.append(x)
        for k in range(len(self.dec) - 1, -1, -1):
            if self.adds:
                x = F.interpolate(self.up[k](x), scale_factor=2, mode="nearest")
                x = F.relu(x + skips[k])
            else:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = torch.cat([x, skips[k]], 1)
            x = self.dec[k](x)
        return F.pixel_shuffle(self.head(x), 2)


def read_weights(path):
    """State dict from PATH in float32, whatever precision the file has."""
    state = torch.load(path, map_location="cpu")
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def load(path):
    """The network with the weights of PATH, of whichever size, ready for inference."""
    state = read_weights(path)
    net = HalfResolutionUNet("light" if any(k.startswith("up.") for k in state) else "large")
    net.load_state_dict(state)
    return net.eval()
