"""Linear layers in 8-bit integers, for CPUs with VNNI, and the check that a tower bears them.

Weights are symmetric per output channel, activations asymmetric per call with the range that they
have there; products, bias and activation are one kernel of oneDNN, which answers in bf16.
"""

import logging
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageOps

from ai.engine.layers import Dense
from ai.engine.self_test import drawn_image

logger = logging.getLogger(__name__)
LEAST_COSINE = 0.995  # of a token's state in int8 to the one in bf16, in the mean of an image
_STEPS = 254  # of an activation's range; one less than there are, for the zero point is rounded
_ROWS = 1024  # a hint for the layout of the weights; any number of rows may come
States = Callable[[torch.Tensor], torch.Tensor]


class Int8Dense(Dense):
    """As `Dense`: bf16 [..., k] → bf16 [..., n]. All rows of a call share their scale."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str = "none"
    ) -> None:
        torch.nn.Module.__init__(self)
        self.activation = activation
        weight = weight.detach().float()
        self.outputs = len(weight)
        self.scales = (weight.abs().amax(dim=1) / 127).clamp_min(1e-12)
        rounded = (weight / self.scales[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(rounded, [_ROWS, weight.shape[1]])
        self.zeros = torch.zeros(self.outputs, dtype=torch.int64)
        self.bias = None if bias is None else bias.detach().float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low, high = (float(value) for value in x.aminmax())
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / _STEPS, 1e-8)
        zero = round(-low / scale)
        # In float32, which bf16 becomes beside a float32 vector; conversion cuts decimals off.
        steps = torch.add(torch.tensor([zero + 0.5]), x.flatten(0, -2), alpha=1 / scale)
        y = torch.ops.onednn.qlinear_pointwise(
            steps.to(torch.uint8),
            scale,
            zero,
            self.weight,
            self.scales,
            self.zeros,
            self.bias,
            1.0,
            0,
            torch.bfloat16,
            self.activation,
            [],
            "none" if self.activation == "gelu" else "",
        )
        return y.view(*x.shape[:-1], self.outputs)


def is_faithful(int8: States, bf16: States, size: tuple[int, int]) -> bool:
    """Whether both towers see the same in a few drawn pictures of `size`; logs how much.

    Trained networks may have activations with outliers, which leave few steps for all others.
    The states' mean is taken off first: what all tokens share would hide what tells them apart.
    """
    least = 1.0
    for picture in _pictures(size):
        pixels = torch.from_numpy(np.array(picture)[None])  # a copy, which may be written to
        expected, found = bf16(pixels)[0].float(), int8(pixels)[0].float()
        mean = expected.mean(dim=0)
        cosines = torch.cosine_similarity(found - mean, expected - mean, dim=-1)
        least = min(least, float(cosines.mean()))
    kept = least >= LEAST_COSINE  # False also when it is not a number
    answer = "it is used" if kept else f"bf16 is used instead, for less than {LEAST_COSINE}"
    logger.info("int8 agrees with bf16 to a cosine of %.4f: %s", least, answer)
    return kept


def _pictures(size: tuple[int, int]) -> list[Image.Image]:
    drawn = drawn_image()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    found = [drawn, ImageOps.invert(drawn.rotate(90, expand=True)), Image.fromarray(noise)]
    return [picture.resize(size, Image.Resampling.BICUBIC) for picture in found]
