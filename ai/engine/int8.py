"""BLIP's vision tower in 8-bit integers, computed by OpenVINO, and the check that it bears them.

Weights are symmetric per output channel. Activations are quantised as they come, so many numbers
of a row at a time by their own range (OpenVINO's dynamic quantisation): nothing is calibrated on
pictures beforehand. Attention is computed in bf16, norms in float32.
"""

import logging
import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from ai.engine.self_test import draw_image
from ai.engine.towers import PIXEL_OFFSET, fold_normalization

# Where it finds this, OpenVINO tells its makers of each import; without, it has a stub of its own.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

logger = logging.getLogger(__name__)
MIN_COSINE = 0.995  # of a token's state in int8 to the one in bf16, in the mean of an image
_GROUP_SIZE = 256  # numbers of a row that share a scale
_THREADS_PER_IMAGE = 4  # that share a picture where there are so many: more of them gain little
States = Callable[[torch.Tensor], torch.Tensor]


class Int8Tower:
    """BLIP's vision tower: uint8 [n, side, side, 3] → bf16 [n, tokens, width]."""

    def __init__(self, model: Any, mean: Sequence[float], std: Sequence[float], side: int) -> None:
        """model: transformers' BlipVisionModel, which this keeps nothing of."""
        threads = torch.get_num_threads()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": max(1, threads // _THREADS_PER_IMAGE),  # pictures at the same time
            "ENABLE_CPU_PINNING": False,  # another worker has the same cores
            "INFERENCE_PRECISION_HINT": "bf16",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_GROUP_SIZE),
        }
        # OpenVINO keeps what it was built from beside its own layout of it, and never reads it
        # again: from a file on a disk, that need not stay in memory.
        self._weights = MappedBuffer(sum(layer.weight.numel() for layer in _list_linears(model)))
        graph = _build_graph(model, mean, std, side, self._weights)
        self._compiled = openvino.Core().compile_model(graph, "CPU", settings)
        self._weights.give_back()

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        states = np.empty((len(pixels), *self._compiled.output(0).shape[1:]), np.float32)

        def keep(request: openvino.InferRequest, index: int) -> None:
            states[index] = request.get_output_tensor().data[0]

        queue = openvino.AsyncInferQueue(self._compiled)
        queue.set_callback(keep)
        for index, picture in enumerate(pixels[:, None].numpy()):
            queue.start_async({0: picture}, index)
        queue.wait_all()
        return torch.from_numpy(states).bfloat16()


def matches_reference(
    int8: States, expected: Sequence[torch.Tensor], size: tuple[int, int]
) -> bool:
    """Whether the tower sees in `pictures(size)` what is expected; logs how much.

    Trained networks may have activations with outliers, which leave few steps for all others.
    The states' mean is taken off first: what all tokens share would hide what tells them apart.
    """
    least = 1.0
    for pixels, states in zip(draw_test_images(size), expected, strict=True):
        mean = states[0].float().mean(dim=0)
        found, true = (x[0].float() - mean for x in (int8(pixels), states))
        least = min(least, float(torch.cosine_similarity(found, true, dim=-1).mean()))
    kept = least >= MIN_COSINE  # False also when it is not a number
    answer = "it is used" if kept else f"bf16 is used instead, for less than {MIN_COSINE}"
    logger.info("int8 agrees with bf16 to a cosine of %.4f: %s", least, answer)
    return kept


def draw_test_images(size: tuple[int, int]) -> list[torch.Tensor]:
    """What both towers are compared on: each uint8 [1, height, width, 3]."""
    drawn = draw_image()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    found = [drawn, ImageOps.invert(drawn.rotate(90, expand=True)), Image.fromarray(noise)]
    resized = (picture.resize(size, Image.Resampling.BICUBIC) for picture in found)
    return [torch.from_numpy(np.array(picture)[None]) for picture in resized]


class MappedBuffer:
    """Room for so many 8-bit integers in a file without a name."""

    def __init__(self, size: int) -> None:
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, size)  # OSError now, no SIGBUS later
            self._memory = mmap.mmap(file.fileno(), size)
        self._used = 0

    def keep(self, steps: np.ndarray) -> np.ndarray:
        view = np.frombuffer(self._memory, np.int8, steps.size, self._used)
        kept = view.reshape(steps.shape)
        kept[...] = steps
        self._used += steps.size
        return kept

    def give_back(self) -> None:
        self._memory.madvise(mmap.MADV_DONTNEED)


def _list_linears(model: Any) -> list[nn.Linear]:
    return [part for part in model.encoder.modules() if isinstance(part, nn.Linear)]


def _build_graph(
    model: Any, mean: Sequence[float], std: Sequence[float], side: int, weights: MappedBuffer
) -> openvino.Model:
    embeddings = model.embeddings
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
    for layer in model.encoder.layers:
        x = _build_block(x, layer, weights)
    return openvino.Model([_layer_norm(x, model.post_layernorm)], [pixels])


def _build_block(x: Any, layer: Any, weights: MappedBuffer) -> Any:
    attention, heads = layer.self_attn, layer.self_attn.num_heads
    width = attention.qkv.in_features
    parts = ops.reshape(
        _quantized_linear(_layer_norm(x, layer.layer_norm1), attention.qkv, weights),
        [0, 0, 3, heads, width // heads],
        True,
    )
    parts = ops.split(ops.transpose(parts, [2, 0, 3, 1, 4]), 0, 3)
    query, key, value = (ops.squeeze(part, [0]) for part in parts.outputs())
    found = ops.transpose(ops.scaled_dot_product_attention(query, key, value), [0, 2, 1, 3])
    x = ops.add(
        x, _quantized_linear(ops.reshape(found, [0, 0, width], True), attention.projection, weights)
    )
    hidden = ops.gelu(
        _quantized_linear(_layer_norm(x, layer.layer_norm2), layer.mlp.fc1, weights), "erf"
    )
    return ops.add(x, _quantized_linear(hidden, layer.mlp.fc2, weights))


def _quantized_linear(x: Any, linear: nn.Linear, weights: MappedBuffer) -> Any:
    weight = _to_numpy(linear.weight)
    scales = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / 127, np.float32(1e-12))
    steps = ops.constant(weights.keep(np.rint(weight / scales)), shared_memory=True)
    rounded = ops.multiply(ops.convert(steps, "f32"), ops.constant(scales))
    return ops.add(ops.matmul(x, rounded, False, True), ops.constant(_to_numpy(linear.bias)))


def _layer_norm(x: Any, norm: nn.LayerNorm) -> Any:
    x = ops.mvn(x, [-1], True, norm.eps, "inside_sqrt")
    return ops.add(
        ops.multiply(x, ops.constant(_to_numpy(norm.weight))), ops.constant(_to_numpy(norm.bias))
    )


def _to_numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().numpy()
