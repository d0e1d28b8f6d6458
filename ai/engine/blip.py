"""One BLIP captioning model under transformers. BLIP: Li et al. 2022, arXiv:2201.12086."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoTokenizer, BlipConfig, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from ai.engine import checkpoints, weights
from ai.engine.adaptive_batch import AdaptiveBatch, DeviceTransfer
from ai.engine.decoder import BeamDecoder, GreedyDecoder
from ai.engine.precision import DTYPES
from ai.engine.towers import VisionTower, build_blip_vision
from ai.fingerprint import WEIGHTS

logger = logging.getLogger(__name__)
MAX_BATCH = 16  # images per generation; bounds memory, not what callers may send
MAX_BATCH_CUDA = 64
VISION_BATCH_SIZE = 1  # a CPU's tower gains nothing from more
Tower = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Blip:
    """A loaded model; `location` is the directory that the weights came from.

    dtype_name: the key of DTYPES that is computed with, which may not be the one asked for.
    """

    vision: Tower
    decoder: GreedyDecoder | BeamDecoder
    size: tuple[int, int]
    resample: Image.Resampling
    tokenizer: Any
    device: torch.device
    dtype_name: str
    location: Path
    upload: DeviceTransfer
    batch: AdaptiveBatch
    vision_batch: int
    tokenizer_lock: threading.Lock

    @torch.inference_mode()
    def caption_images(
        self, images: Sequence[Image.Image], max_new_tokens: int, min_new_tokens: int = 0
    ) -> list[str]:
        """One caption per image, in order; at most `max_new_tokens` word pieces each."""

        def caption(batch: Sequence[Image.Image]) -> list[list[int]]:
            # Pillow's resize, as the model was trained with: torchvision's differs in last bits.
            resized = [image.resize(self.size, self.resample) for image in batch]
            return self.decoder.generate(
                self.states(self.upload(resized)),
                max_new_tokens=max_new_tokens,
                min_new_tokens=min_new_tokens,
            )

        tokens = [row for rows in self.batch.run(images, caption) for row in rows]
        if len(tokens) != len(images):
            raise ValueError(f"BLIP answered {len(tokens)} captions to {len(images)} images")
        with self.tokenizer_lock:
            texts = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def states(self, pixels: torch.Tensor) -> torch.Tensor:
        """The vision tower's: uint8 [n, height, width, 3] → [n, tokens, width]."""
        return torch.cat([self.vision(some) for some in pixels.split(self.vision_batch)])


def load_blip(model: str, *, device: torch.device, dtype: str, beams: int = 1) -> Blip:
    """The configured BLIP model, ready to generate; ModelUnavailable without its weights.

    dtype: a key of DTYPES; "int8" is for the vision tower, if it bears it.
    beams: texts that are followed at the same time; with 1 the next word is the most probable.
    """
    name = f"BLIP model {model}"
    directory = weights.find_model_directory(name, model)
    try:
        blip = _load(directory, device, dtype, beams)
        # Now, not when someone waits: the first pass takes seconds.
        blip.caption_images([Image.new("RGB", (384, 384))], max_new_tokens=2)
        checkpoints.trim_memory()
    except Exception as error:  # whatever transformers raises over a bad directory
        raise weights.unavailable_error(name, str(directory), error) from error
    return blip


def _load(directory: Path, device: torch.device, dtype: str, beams: int) -> Blip:
    vision_model, text_decoder = _empty_networks(directory)
    file = checkpoints.find_weights_file(directory, WEIGHTS)
    processor = BlipImageProcessorPil.from_pretrained(directory, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    size = (processor.size["width"], processor.size["height"])
    _assign_weights(
        vision_model, checkpoints.read_tensors(file, DTYPES[dtype], "vision_model."), device
    )
    vision = _build_vision(vision_model, processor, size, int8=dtype == "int8")
    del vision_model  # its weights are in the tower, in another layout
    checkpoints.trim_memory()  # before the decoder's are read
    _assign_weights(text_decoder, _read_decoder_state(file, DTYPES[dtype]), device)
    cuda, plain = device.type == "cuda", isinstance(vision, VisionTower)
    return Blip(
        vision=vision,
        decoder=BeamDecoder(text_decoder, beams) if beams > 1 else GreedyDecoder(text_decoder),
        size=size,
        resample=Image.Resampling(processor.resample),
        tokenizer=tokenizer,
        device=device,
        dtype_name="bf16" if plain and dtype == "int8" else dtype,
        location=directory,
        upload=DeviceTransfer(device),
        batch=AdaptiveBatch(MAX_BATCH_CUDA if cuda else MAX_BATCH),
        vision_batch=VISION_BATCH_SIZE if plain and not cuda else MAX_BATCH_CUDA,
        tokenizer_lock=threading.Lock(),
    )


@torch.inference_mode()
def _build_vision(network: Any, processor: Any, size: tuple[int, int], *, int8: bool) -> Tower:
    """The tower in the network's numbers, or in int8 where asked for and nearly as exact."""
    described = network, processor.image_mean, processor.image_std
    plain = build_blip_vision(*described)
    if not int8:
        return plain
    try:
        from ai.engine.int8 import Int8Tower, draw_test_images, matches_reference

        expected = [plain(picture) for picture in draw_test_images(size)]
        del plain  # there is no room for both
        checkpoints.trim_memory()
        found = Int8Tower(*described, side=size[0])
        if matches_reference(found, expected, size):
            return found
        del found
    except Exception as error:  # it isn't installed, no room for a file, or what OpenVINO raises
        logger.warning("int8 can't be had, bf16 is used instead: %s", error)
    return build_blip_vision(*described)


def _empty_networks(directory: Path) -> tuple[Any, Any]:
    """transformers' BlipVisionModel and BlipTextLMHeadModel, without any numbers yet."""
    config = BlipConfig.from_pretrained(directory, local_files_only=True)
    if config.model_type != "blip":
        raise ValueError(f"its model_type is {config.model_type!r}, not 'blip'")
    with torch.device("meta"):
        network = BlipForConditionalGeneration(config)
    # The one constant that no file holds.
    positions = torch.arange(config.text_config.max_position_embeddings)[None]
    network.text_decoder.bert.embeddings.position_ids = positions
    return network.vision_model, network.text_decoder


def _assign_weights(network: Any, state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Makes the tensors the network's own, without a second copy of any."""
    missing, _ = network.load_state_dict(state, strict=False, assign=True)
    if missing:
        raise ValueError(f"it has no {missing[0]} ({len(missing)} parameters are missing)")
    network.to(device).eval().requires_grad_(False)


def _read_decoder_state(file: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    state = checkpoints.read_tensors(file, dtype, "text_decoder.")
    # The head has the embedding's weights; a file need not hold them twice.
    head, words = "cls.predictions.", "bert.embeddings.word_embeddings.weight"
    state.setdefault(head + "decoder.weight", state[words])
    state.setdefault(head + "decoder.bias", state[head + "bias"])
    return state
