"""BLIP's vision tower in 8-bit integers, computed by OpenVINO, and a check of its accuracy.

Weights are symmetric per output channel. Activations are quantized dynamically, in groups along a
row by their own range, so nothing is calibrated on images beforehand. Attention is computed in
bf16, norms in float32.
"""

import logging
import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import nn
from transformers import BlipVisionModel
from transformers.models.blip.modeling_blip import BlipEncoderLayer

from ai.engine.acceleration.towers import PIXEL_OFFSET, fold_normalization
from ai.engine.self_test import draw_image

# If this package can be imported, OpenVINO reports every import to its vendor; else it uses a stub.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

logger = logging.getLogger(__name__)
MIN_COSINE = 0.995  # of a token's state in int8 to that in bf16, mean over an image
_GROUP_SIZE = 256  # activations of a row that share a scale
_THREADS_PER_IMAGE = 4  # more threads for one image gain little


class Int8Tower:
    """uint8 [n, side, side, 3] → bf16 [n, tokens, width]. Keeps nothing of the network."""

    def __init__(
        self, network: BlipVisionModel, mean: Sequence[float], std: Sequence[float], side: int
    ) -> None:
        threads = torch.get_num_threads()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": max(1, threads // _THREADS_PER_IMAGE),  # images at the same time
            "ENABLE_CPU_PINNING": False,  # another worker uses the same cores
            "INFERENCE_PRECISION_HINT": "bf16",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_GROUP_SIZE),
        }
        # OpenVINO retains the weights that it was given next to its own layout of them, and never
        # reads them again. In a file on disk, they need not stay in memory.
        self._weights = MappedBuffer(sum(layer.weight.numel() for layer in _list_linears(network)))
        graph = _build_graph(network, mean, std, side, self._weights)
        self.compiled = openvino.Core().compile_model(graph, "CPU", settings)
        self._weights.release()

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        states = np.empty((len(pixels), *self.compiled.output(0).shape[1:]), np.float32)

        def store(request: openvino.InferRequest, index: int) -> None:
            states[index] = request.get_output_tensor().data[0]

        queue = openvino.AsyncInferQueue(self.compiled)
        queue.set_callback(store)
        for index, image in enumerate(pixels[:, None].numpy()):
            queue.start_async({0: image}, index)
        queue.wait_all()
        return torch.from_numpy(states).bfloat16()


def matches_reference(
    int8: Callable[[torch.Tensor], torch.Tensor],
    expected: Sequence[torch.Tensor],
    size: tuple[int, int],
) -> bool:
    """Return whether `int8` gives nearly the expected states for `draw_test_images(size)`.

    Outliers in the activations of a trained network may leave few steps for all other values. The
    mean state of an image is subtracted first: it would hide the differences between tokens.
    """
    min_cosine = 1.0
    for pixels, states in zip(draw_test_images(size), expected, strict=True):
        mean = states[0].float().mean(dim=0)
        quantized, exact = (x[0].float() - mean for x in (int8(pixels), states))
        cosine = torch.cosine_similarity(quantized, exact, dim=-1).mean()
        min_cosine = min(min_cosine, float(cosine))
    matches = min_cosine >= MIN_COSINE  # False also for NaN
    consequence = "int8 is used" if matches else f"bf16 is used instead, below {MIN_COSINE}"
    logger.info("int8 agrees with bf16 to a cosine of %.4f: %s", min_cosine, consequence)
    return matches


def draw_test_images(size: tuple[int, int]) -> list[torch.Tensor]:
    """Return the images on which int8 is compared: each uint8 [1, height, width, 3]."""
    drawn = draw_image()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    images = [drawn, ImageOps.invert(drawn.rotate(90, expand=True)), Image.fromarray(noise)]
    resized = (image.resize(size, Image.Resampling.BICUBIC) for image in images)
    return [torch.from_numpy(np.array(image)[None]) for image in resized]


class MappedBuffer:
    """Memory for `size` 8-bit integers in an unnamed file."""

    def __init__(self, size: int) -> None:
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, size)  # OSError now instead of SIGBUS later
            self._memory = mmap.mmap(file.fileno(), size)
        self._used = 0

    def store(self, values: np.ndarray) -> NDArray[np.int8]:
        """Copy `values` into the next free part and return a view of it."""
        view = np.frombuffer(self._memory, np.int8, values.size, self._used).reshape(values.shape)
        view[...] = values
        self._used += values.size
        return view

    def release(self) -> None:
        """Give the pages back to the system, which reads them from the file if needed."""
        self._memory.madvise(mmap.MADV_DONTNEED)


def _list_linears(network: BlipVisionModel) -> list[nn.Linear]:
    return [part for part in network.encoder.modules() if isinstance(part, nn.Linear)]


def _build_graph(
    network: BlipVisionModel,
    mean: Sequence[float],
    std: Sequence[float],
    side: int,
    weights: MappedBuffer,
) -> openvino.Model:
    embeddings = network.embeddings
    patch = embeddings.patch_embedding.kernel_size[0]
    grid = side // patch
    positions = _to_numpy(embeddings.position_embedding[0])
    weight, bias = fold_normalization(embeddings.patch_embedding, mean, std)
    pixels = ops.parameter([1, side, side, 3], openvino.Type.u8)
    x = ops.subtract(ops.convert(pixels, "f32"), np.float32(PIXEL_OFFSET))
    x = ops.transpose(ops.reshape(x, [grid, patch, grid, patch, 3], False), [0, 2, 1, 3, 4])
    x = ops.reshape(x, [1, grid * grid, patch * patch * 3], False)
    x = ops.matmul(x, ops.constant(_to_numpy(weight)), False, True)
    x = ops.add(x, ops.constant(positions[None, 1:] + _to_numpy(bias)))
    start = _to_numpy(embeddings.class_embedding[0]) + positions[:1]
    x = ops.concat([ops.constant(start[None]), x], 1)
    for layer in network.encoder.layers:
        x = _add_block(x, layer, weights)
    return openvino.Model([_add_norm(x, network.post_layernorm)], [pixels])


def _add_block(x: openvino.Node, layer: BlipEncoderLayer, weights: MappedBuffer) -> openvino.Node:
    attention, heads = layer.self_attn, layer.self_attn.num_heads
    width = attention.qkv.in_features
    parts = ops.reshape(
        _add_linear(_add_norm(x, layer.layer_norm1), attention.qkv, weights),
        [0, 0, 3, heads, width // heads],
        True,
    )
    parts = ops.split(ops.transpose(parts, [2, 0, 3, 1, 4]), 0, 3)
    query, key, value = (ops.squeeze(part, [0]) for part in parts.outputs())
    mixed = ops.transpose(ops.scaled_dot_product_attention(query, key, value), [0, 2, 1, 3])
    mixed = ops.reshape(mixed, [0, 0, width], True)
    x = ops.add(x, _add_linear(mixed, attention.projection, weights))
    hidden = _add_linear(_add_norm(x, layer.layer_norm2), layer.mlp.fc1, weights)
    return ops.add(x, _add_linear(ops.gelu(hidden, "erf"), layer.mlp.fc2, weights))


def _add_linear(x: openvino.Node, linear: nn.Linear, weights: MappedBuffer) -> openvino.Node:
    weight = _to_numpy(linear.weight)
    scales = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / 127, np.float32(1e-12))
    quantized = ops.constant(weights.store(np.rint(weight / scales)), shared_memory=True)
    dequantized = ops.multiply(ops.convert(quantized, "f32"), ops.constant(scales))
    return ops.add(ops.matmul(x, dequantized, False, True), ops.constant(_to_numpy(linear.bias)))


def _add_norm(x: openvino.Node, norm: nn.LayerNorm) -> openvino.Node:
    x = ops.mvn(x, [-1], True, norm.eps, "inside_sqrt")
    x = ops.multiply(x, ops.constant(_to_numpy(norm.weight)))
    return ops.add(x, ops.constant(_to_numpy(norm.bias)))


def _to_numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.detach().float().numpy()
