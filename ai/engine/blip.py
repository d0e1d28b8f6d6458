"""A BLIP captioning model, loaded by transformers. BLIP: Li et al. 2022, arXiv:2201.12086."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import nn
from transformers import (
    AutoTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipTextLMHeadModel,
    BlipVisionModel,
    PreTrainedTokenizerBase,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from ai.calibration import min_caption_probability
from ai.engine import acceleration, checkpoints, weights
from ai.engine.acceleration import CaptionDecoder, GeneratedTokens, ImageEncoder
from ai.engine.adaptive_batch import AdaptiveBatch, DeviceTransfer
from ai.engine.precision import DTYPES
from ai.fingerprint import WEIGHTS, fingerprint

MAX_BATCH = 16  # images per generation; bounds memory, not the number that callers pass
MAX_BATCH_CUDA = 64


class Caption(NamedTuple):
    """probability: geometric mean of those of its word pieces, 0..1."""

    text: str
    probability: float


@dataclass(frozen=True)
class Blip:
    """A loaded model.

    encode_images: uint8 [n, height, width, 3] on the device → [n, tokens, width]. size: width and
    height of its images. dtype_name: the key of DTYPES that it computes in, which may differ from
    the requested one. location: the directory of its weights.
    min_probability: of a caption that is worth storing.
    """

    encode_images: ImageEncoder
    decoder: CaptionDecoder
    size: tuple[int, int]
    resample: Image.Resampling
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    dtype_name: str
    location: Path
    min_probability: float
    transfer: DeviceTransfer
    batch: AdaptiveBatch
    tokenizer_lock: threading.Lock

    @torch.inference_mode()
    def caption_images(
        self, images: Sequence[Image.Image], max_new_tokens: int, min_new_tokens: int = 0
    ) -> list[Caption]:
        """Return one caption per RGB image, in order, of up to `max_new_tokens` word pieces."""

        def caption(batch: Sequence[Image.Image]) -> list[GeneratedTokens]:
            # Pillow's resize, used to train the model; torchvision's differs in the last bits.
            resized = [image.resize(self.size, self.resample) for image in batch]
            return self.decoder.generate(
                self.encode_images(self.transfer(resized)),
                max_new_tokens=max_new_tokens,
                min_new_tokens=min_new_tokens,
            )

        generated = [text for texts in self.batch.run(images, caption) for text in texts]
        if len(generated) != len(images):
            raise ValueError(f"BLIP returned {len(generated)} captions for {len(images)} images")
        with self.tokenizer_lock:
            texts = self.tokenizer.batch_decode(
                [each.tokens for each in generated], skip_special_tokens=True
            )
        return [
            Caption(text.strip(), each.probability)
            for text, each in zip(texts, generated, strict=True)
        ]


def load_blip(model: str, *, device: torch.device, dtype: str, beams: int = 1) -> Blip:
    """Load a BLIP model and run it once. Raises ModelUnavailable.

    model: as in the setting SMIMSO_BLIP_MODEL. dtype: a key of DTYPES; "int8" applies to the
    vision tower, if its accuracy allows. beams: of the beam search; 1 decodes greedily.
    """
    name = f"BLIP model {model}"
    directory = weights.find_model_directory(name, model)
    try:
        blip = _load(directory, device, dtype, beams)
        # The first pass takes seconds, so it is done before anyone waits.
        blip.caption_images([Image.new("RGB", (384, 384))], max_new_tokens=2)
        checkpoints.trim_memory()
    except Exception as error:  # transformers raises many types for a bad directory
        raise weights.unavailable_error(name, str(directory), error) from error
    return blip


def _load(directory: Path, device: torch.device, dtype: str, beams: int) -> Blip:
    vision_model, text_decoder = _empty_networks(directory)
    file = checkpoints.find_weights_file(directory, WEIGHTS)
    processor = BlipImageProcessorPil.from_pretrained(directory, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    size = (processor.size["width"], processor.size["height"])
    state = checkpoints.read_tensors(file, DTYPES[dtype], "vision_model.")
    _assign_weights(vision_model, state, device)
    del state
    encode_images, dtype_name = acceleration.accelerate_blip_vision(
        vision_model, processor.image_mean, processor.image_std, size, dtype
    )
    del vision_model
    checkpoints.trim_memory()  # before the decoder's weights are read
    _assign_weights(text_decoder, _read_decoder_state(file, DTYPES[dtype]), device)
    return Blip(
        encode_images=encode_images,
        decoder=acceleration.accelerate_blip_decoder(text_decoder, beams),
        size=size,
        resample=Image.Resampling(processor.resample),
        tokenizer=tokenizer,
        device=device,
        dtype_name=dtype_name,
        location=directory,
        min_probability=min_caption_probability(fingerprint(directory)),
        transfer=DeviceTransfer(device),
        batch=AdaptiveBatch(MAX_BATCH_CUDA if device.type == "cuda" else MAX_BATCH),
        tokenizer_lock=threading.Lock(),
    )


def _empty_networks(directory: Path) -> tuple[BlipVisionModel, BlipTextLMHeadModel]:
    """Return both networks of the directory's configuration, still without weights."""
    config = BlipConfig.from_pretrained(directory, local_files_only=True)
    if config.model_type != "blip":
        raise ValueError(f"its model_type is {config.model_type!r}, not 'blip'")
    with torch.device("meta"):
        network = BlipForConditionalGeneration(config)
    # The one constant that no checkpoint contains.
    positions = torch.arange(config.text_config.max_position_embeddings)[None]
    network.text_decoder.bert.embeddings.position_ids = positions
    return network.vision_model, network.text_decoder


def _assign_weights(
    network: nn.Module, state: dict[str, torch.Tensor], device: torch.device
) -> None:
    """Make the tensors of `state` the network's parameters, without copying them."""
    missing, _ = network.load_state_dict(state, strict=False, assign=True)
    if missing:
        raise ValueError(f"it has no {missing[0]} ({len(missing)} parameters are missing)")
    network.to(device).eval().requires_grad_(False)


def _read_decoder_state(file: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    state = checkpoints.read_tensors(file, dtype, "text_decoder.")
    # The head shares the embedding's weights, which a file need not contain twice.
    head, embedding = "cls.predictions.", "bert.embeddings.word_embeddings.weight"
    state.setdefault(head + "decoder.weight", state[embedding])
    state.setdefault(head + "decoder.bias", state[head + "bias"])
    return state
