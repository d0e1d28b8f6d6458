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
from ai.engine.precision import DTYPES

MAX_BATCH = 16  # images per generation; bounds memory, not what callers may send


@dataclass(frozen=True)
class Blip:
    """A loaded model; `location` is the directory that the weights came from."""

    model: Any
    processor: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    location: Path
    tokenizer_lock: threading.Lock

    @torch.inference_mode()
    def caption_images(self, images: Sequence[Image.Image], max_new_tokens: int) -> list[str]:
        """One greedy caption per image, in order; at most `max_new_tokens` word pieces each."""
        captions: list[str] = []
        for start in range(0, len(images), MAX_BATCH):
            batch = list(images[start : start + MAX_BATCH])
            pixels = self.processor(images=batch, return_tensors="pt")["pixel_values"]
            tokens = self.model.generate(
                pixel_values=pixels.to(self.device, self.dtype),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                num_beams=1,
                use_cache=True,
            )
            with self.tokenizer_lock:
                texts = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
            captions.extend(text.strip() for text in texts)
        if len(captions) != len(images):
            raise ValueError(f"BLIP answered {len(captions)} captions to {len(images)} images")
        return captions


def load_blip(model: str, *, device: torch.device, dtype: str) -> Blip:
    """The configured BLIP model, ready to generate; ModelUnavailable without its weights."""
    name = f"BLIP model {model}"
    directory = weights.model_directory(name, model)
    try:
        network = BlipForConditionalGeneration.from_pretrained(
            directory, dtype=DTYPES[dtype], local_files_only=True
        )
        # Pillow's resize, as the model was trained with: torchvision's differs in the last bits.
        processor = BlipImageProcessorPil.from_pretrained(directory, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except Exception as error:  # whatever transformers raises over a bad directory
        raise weights.unavailable(name, str(directory), error) from error
    return Blip(
        model=network.to(device).eval().requires_grad_(False),
        processor=processor,
        tokenizer=tokenizer,
        device=device,
        dtype=DTYPES[dtype],
        location=directory,
        tokenizer_lock=threading.Lock(),
    )
