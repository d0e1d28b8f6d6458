"""The only place that replaces networks of open_clip and transformers by faster ones.

Each function takes a library's network and returns its accelerated form, or the network itself
behind the same interface (`reference`) if it has none. The network must not be used afterwards: it
loses its layers, whose weights then exist in another layout. Reasons and alternatives: ADR 6.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from open_clip.model import CLIP
from transformers import BlipTextLMHeadModel, BlipVisionModel

from ai.engine.acceleration.decoder import GreedyDecoder
from ai.engine.acceleration.generated import GeneratedTokens as GeneratedTokens
from ai.engine.acceleration.layers import pack_linears
from ai.engine.acceleration.reference import GenerateDecoder, NormalizedTower
from ai.engine.acceleration.towers import build_blip_vision, build_clip_text, build_clip_vision
from ai.engine.checkpoints import trim_memory
from ai.engine.precision import DTYPES

logger = logging.getLogger(__name__)
ImageEncoder = Callable[[torch.Tensor], torch.Tensor]  # uint8 [n, height, width, 3] → [n, …, width]
TextEncoder = Callable[[torch.Tensor], torch.Tensor]  # int64 [n, tokens] → [n, width]


class CaptionDecoder(Protocol):
    def generate(
        self, encoder_states: torch.Tensor, *, max_new_tokens: int, min_new_tokens: int = 0
    ) -> list[GeneratedTokens]:
        """Return the tokens of one text per image, without repeated 3-grams.

        encoder_states: of the image encoder, [n, tokens, width].
        """


def accelerate_clip(
    network: CLIP, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
) -> tuple[ImageEncoder, TextEncoder]:
    """Return the image and the text encoder of an open_clip network.

    mean, std: of the RGB channels of its images, 0..1. dtype: of its weights.
    """
    tower = build_clip_vision(network.visual, mean, std)
    image_encoder = tower or NormalizedTower(network.visual, mean, std, dtype)
    network.visual = image_encoder
    text_encoder = build_clip_text(network)
    if text_encoder is None:
        return image_encoder, network.encode_text
    del network.transformer
    return image_encoder, text_encoder


@torch.inference_mode()
def accelerate_blip_vision(
    network: BlipVisionModel,
    mean: Sequence[float],
    std: Sequence[float],
    size: tuple[int, int],
    dtype: str,
) -> tuple[ImageEncoder, str]:
    """Return the image encoder of BLIP, [n, tokens, width], and the dtype in which it computes.

    mean, std: of the RGB channels of its images, 0..1. size: their width and height. dtype: a key
    of `precision.DTYPES`. "int8" becomes "bf16" if it is unavailable or not accurate enough.
    """
    exact_dtype = "bf16" if dtype == "int8" else dtype
    tower = build_blip_vision(network, mean, std)
    if tower is None:
        return NormalizedTower(network, mean, std, DTYPES[dtype]), exact_dtype
    if dtype != "int8":
        return _encode_singly(tower), exact_dtype
    try:
        from ai.engine.acceleration.int8 import Int8Tower, draw_test_images, matches_reference

        expected = [tower(pixels) for pixels in draw_test_images(size)]
        del tower  # there is no room for both
        trim_memory()
        int8_tower = Int8Tower(network, mean, std, side=size[0])
        if matches_reference(int8_tower, expected, size):
            return int8_tower, "int8"
        del int8_tower
    except Exception as error:  # OpenVINO is missing or fails, or there is no room for its file
        logger.warning("int8 is unavailable, bf16 is used instead: %s", error)
    return accelerate_blip_vision(network, mean, std, size, exact_dtype)


def accelerate_blip_decoder(network: BlipTextLMHeadModel, beams: int) -> CaptionDecoder:
    """Return BLIP's decoder: greedy for one beam, beam search for more."""
    if beams == 1 and network.config.hidden_act == "gelu":
        return GreedyDecoder(network)
    pack_linears(network)
    return GenerateDecoder(network, beams)


def _encode_singly(tower: ImageEncoder) -> ImageEncoder:
    """Encode one image at a time on a CPU: several together are no faster, but need more memory."""

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        if pixels.device.type != "cpu":
            return tower(pixels)
        return torch.cat([tower(image) for image in pixels.split(1)])

    return encode
