"""The engine: computes unit vectors of images and texts, and captions of images."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
import torch
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

from ai.engine.blip import Blip, load_blip
from ai.engine.clip import Clip, load_clip
from ai.engine.lazy_model import LazyModel
from ai.engine.precision import choose_device, choose_dtype
from ai.errors import ModelUnavailable
from ai.metrics import observe_inference
from ai.model_ids import blip_name, clip_name, configured_clip, has_weights, preset_for, resolve
from ai.presets import Preset
from ai.repetition import is_repetitive
from ai.zero_shot import Labels, LocalizedTexts, embed_labels

VECTOR_SIZE = 512  # the width of the database's vector column
CAPTION_TOKENS = 30  # word pieces; BLIP's captions of photographs have 8 to 15


class EngineOptions(TypedDict, total=False):
    """Arguments of `Engine`."""

    clip_model: str
    clip_pretrained: str
    blip_model: str
    device: str
    dtype: str
    threads: int
    beams: int
    vector_size: int
    blip: LazyModel[Blip] | None
    preset: Preset | None
    name: str


class Engine:
    """CLIP and BLIP, each loaded on first use. Thread-safe; do not fork after first use.

    clip_name, blip_name: as stored with vectors and captions. device: "cpu" or "cuda". dtype:
    "fp32", "bf16", "fp16", or "int8", which is bf16 with BLIP's vision tower in int8 if its
    accuracy allows. Vectors are always float32.
    """

    def __init__(
        self,
        *,
        clip_model: str,
        clip_pretrained: str,
        blip_model: str,
        device: str = "auto",
        dtype: str = "auto",
        threads: int = 0,
        beams: int = 1,
        vector_size: int = VECTOR_SIZE,
        blip: "LazyModel[Blip] | None" = None,
        preset: Preset | None = None,
        name: str = "",
    ) -> None:
        """Prepare an engine without loading anything. Most arguments are AI settings.

        blip: that of another engine, to load it once only. preset: the expected CLIP, by default
        that of these names. name: of the vector space, if the collection has vectors; a CLIP of
        another name is then refused when it is loaded. Raises ValueError for an unknown device
        or dtype.
        """
        clip_model, clip_pretrained = resolve(clip_model, clip_pretrained)
        torch_device = choose_device(device)
        self.device = torch_device.type
        self.dtype = choose_dtype(dtype, torch_device)
        self.clip_name = name or clip_name(clip_model, clip_pretrained)
        self.blip_name = blip_name(blip_model)
        self.preset = preset or preset_for(clip_model, clip_pretrained)
        # Text vectors of the previous call: the pipeline passes the same categories every time.
        self._prompts: tuple[list[str], NDArray[np.float32]] | None = None
        self._labels: tuple[list[LocalizedTexts], Labels] | None = None
        if threads > 0:
            torch.set_num_threads(threads)

        def load() -> Clip:
            current = clip_name(clip_model, clip_pretrained)  # weights may be new, or changed
            if name and current != name and has_weights(clip_model):
                raise _wrong_model_error(name, current, clip_model)
            self.clip_name = name or current
            return load_clip(
                clip_model,
                clip_pretrained,
                device=torch_device,
                dtype="bf16" if self.dtype == "int8" else self.dtype,
                vector_size=vector_size,
                preset=self.preset,
            )

        self.clip: LazyModel[Clip] = LazyModel(load)
        self.blip: LazyModel[Blip] = blip or LazyModel(
            lambda: load_blip(blip_model, device=torch_device, dtype=self.dtype, beams=beams)
        )

    @classmethod
    def from_settings(cls, **changes: Unpack[EngineOptions]) -> "Engine":
        """Return an engine with the options of the settings, overridden by `changes`."""
        clip_model, clip_pretrained = configured_clip()
        options: EngineOptions = {
            "clip_model": clip_model,
            "clip_pretrained": clip_pretrained,
            "blip_model": settings.AI_BLIP_MODEL,
            "device": settings.AI_DEVICE,
            "dtype": settings.AI_DTYPE,
            "threads": settings.AI_THREADS,
            "beams": settings.AI_CAPTION_BEAMS,
        }
        return cls(**(options | changes))

    @observe_inference("clip")
    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return the vectors of RGB images of any size: float32 [n, 512] of unit length, in order.

        Raises ModelUnavailable, or FloatingPointError if a number is not finite.
        """
        return self.clip.get().embed_images(images)

    @observe_inference("clip")
    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, cut at the context length: float32 [n, 512] of unit length.

        Raises the errors of `embed_images`.
        """
        return self.clip.get().embed_texts(texts)

    @observe_inference("blip")
    def caption_images(
        self, images: Sequence[Image.Image], *, max_new_tokens: int = CAPTION_TOKENS
    ) -> list[str]:
        """Return one caption per RGB image, in order; "" for what is no description.

        That is a text that repeats itself or is improbable. Raises ModelUnavailable.
        """
        blip = self.blip.get()
        return [
            "" if probability < blip.min_probability or is_repetitive(text) else text
            for text, probability in blip.caption_images(images, max_new_tokens)
        ]

    @property
    def embed_batch_size(self) -> int:
        """Maximum number of images per pass of CLIP. Raises ModelUnavailable."""
        return self.clip.get().batch.max_size

    @property
    def caption_batch_size(self) -> int:
        """Maximum number of images per pass of BLIP. Raises ModelUnavailable."""
        return self.blip.get().batch.max_size

    @property
    def caption_source(self) -> str:
        """`blip_name` with the commit if it is a model of the hub: "owner/name@82a37760".

        Raises ModelUnavailable.
        """
        location = self.blip.get().location
        commit = location.name[:8] if location.parent.name == "snapshots" else ""
        return f"{self.blip_name}@{commit}" if commit else self.blip_name

    @observe_inference("clip")
    def classify(
        self, image_vectors: NDArray[np.float32], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """Return the probabilities of k prompts for each of n unit vectors: float32 [n, k].

        They are the softmax of the cosines times the model's trained scale. Raises the errors of
        `embed_images`.
        """
        clip = self.clip.get()
        cached = self._prompts
        if cached is None or cached[0] != list(prompts):
            cached = self._prompts = list(prompts), clip.embed_texts(prompts)
        return clip.probabilities(image_vectors, cached[1])

    def label(
        self, image_vectors: NDArray[np.float32], labels: Sequence[LocalizedTexts]
    ) -> NDArray[np.float32]:
        """Return the probabilities of k labels, and last of "none of these": float32 [n, k + 1].

        image_vectors: n unit vectors in this engine's space. See `ai.zero_shot`. Raises the errors
        of `embed_images`.
        """
        cached = self._labels
        if cached is None or cached[0] != list(labels):
            embedded = embed_labels(self.embed_texts, labels, self.clip_name)
            cached = self._labels = list(labels), embedded
        return cached[1].probabilities(image_vectors)


def _wrong_model_error(name: str, current: str, model: str) -> ModelUnavailable:
    if "@" not in name:
        return ModelUnavailable(
            f"{name}: its vectors were computed before names of directories included a "
            f"fingerprint. Compute them again: `manage.py change_model {model}`."
        )
    return ModelUnavailable(
        f"{name}: the directory now contains another model, {current}, whose vectors do not fit "
        "those of the collection. Put the weights back, or change the model: "
        f"`manage.py change_model {model}`."
    )
