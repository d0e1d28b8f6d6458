"""One BLIP captioning model under transformers. BLIP: Li et al. 2022, arXiv:2201.12086."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoTokenizer, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from ai.engine import weights
from ai.engine.batches import BatchSize, Uploader
from ai.engine.decoder import CaptionDecoder
from ai.engine.precision import DTYPES
from ai.engine.towers import VisionTower, vision_of_blip

MAX_BATCH = 8  # images per generation; bounds memory, not what callers may send
MAX_BATCH_CUDA = 64


@dataclass(frozen=True)
class Blip:
    """A loaded model; `location` is the directory that the weights came from."""

    vision: VisionTower
    decoder: CaptionDecoder
    size: tuple[int, int]
    resample: Image.Resampling
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    location: Path
    upload: Uploader
    batch: BatchSize
    tokenizer_lock: threading.Lock

    @torch.inference_mode()
    def caption_images(
        self, images: Sequence[Image.Image], max_new_tokens: int, min_new_tokens: int = 0
    ) -> list[str]:
        """One greedy caption per image, in order; at most `max_new_tokens` word pieces each."""

        def caption(batch: Sequence[Image.Image]) -> list[list[int]]:
            # Pillow's resize, as the model was trained with: torchvision's differs in last bits.
            resized = [image.resize(self.size, self.resample) for image in batch]
            return self.decoder.greedy(
                self.vision(self.upload(resized)),
                max_new_tokens=max_new_tokens,
                min_new_tokens=min_new_tokens,
            )

        tokens = [row for rows in self.batch.run(images, caption) for row in rows]
        if len(tokens) != len(images):
            raise ValueError(f"BLIP answered {len(tokens)} captions to {len(images)} images")
        with self.tokenizer_lock:
            texts = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts]


def load_blip(model: str, *, device: torch.device, dtype: str) -> Blip:
    """The configured BLIP model, ready to generate; ModelUnavailable without its weights."""
    name = f"BLIP model {model}"
    directory = weights.model_directory(name, model)
    try:
        network = BlipForConditionalGeneration.from_pretrained(
            directory, dtype=DTYPES[dtype], local_files_only=True
        )
        network.to(device).eval().requires_grad_(False)
        processor = BlipImageProcessorPil.from_pretrained(directory, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        blip = Blip(
            vision=vision_of_blip(
                network.vision_model, processor.image_mean, processor.image_std
            ),
            decoder=CaptionDecoder(network.text_decoder),
            size=(processor.size["width"], processor.size["height"]),
            resample=Image.Resampling(processor.resample),
            tokenizer=tokenizer,
            device=device,
            dtype=DTYPES[dtype],
            location=directory,
            upload=Uploader(device),
            batch=BatchSize(MAX_BATCH_CUDA if device.type == "cuda" else MAX_BATCH),
            tokenizer_lock=threading.Lock(),
        )
        # Now, not when someone waits: the first pass takes seconds.
        blip.caption_images([Image.new("RGB", (384, 384))], max_new_tokens=2)
    except Exception as error:  # whatever transformers raises over a bad directory
        raise weights.unavailable(name, str(directory), error) from error
    return blip
