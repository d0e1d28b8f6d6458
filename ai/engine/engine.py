"""The engine: images and texts in, unit vectors and captions out."""

from collections.abc import Sequence
from typing import Any

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
from ai.zero_shot import Labels, LocalizedTexts, embed_labels

VECTOR_SIZE = 512  # the width of the database's vector column
CAPTION_TOKENS = 30  # word pieces; BLIP's captions of photographs have 8 to 15


class Engine:
    """CLIP and BLIP, each loaded on first use. Safe for threads, not for a fork after first use.

    clip_name, blip_name: as stored beside vectors and shown. device: "cpu" or "cuda".
    dtype: "fp32", "bf16", "fp16", or "int8": BLIP's vision tower in int8 if that is nearly as
    exact, all else in bf16. Answers are float32 always.
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
        """As the AI settings. Loads nothing; ValueError on an unknown device or dtype.

        blip: another engine's, to have it in memory once. preset: what CLIP has to be, if not
        what these names say. name: of the vectors that there are, if any; then CLIP has to be of
        this name when it is loaded, or it is not available.
        """
        clip_model, clip_pretrained = resolve(clip_model, clip_pretrained)
        torch_device = choose_device(device)
        self.device = torch_device.type
        self.dtype = choose_dtype(dtype, torch_device)
        self.clip_name = name or clip_name(clip_model, clip_pretrained)
        self.blip_name = blip_name(blip_model)
        self.preset = preset or preset_for(clip_model, clip_pretrained)
        # The pipeline asks for the same categories every time.
        self._classified: tuple[list[str], NDArray[np.float32]] | None = None
        self._labels: tuple[list[LocalizedTexts], Labels] | None = None
        if threads > 0:
            torch.set_num_threads(threads)

        def load() -> Clip:
            found = clip_name(clip_model, clip_pretrained)  # weights may have come, or changed
            if name and found != name and has_weights(clip_model):
                raise _wrong_model_error(name, found, clip_model)
            self.clip_name = name or found
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
    def from_settings(cls, **changes: Any) -> "Engine":
        """An engine as the settings say, except for `changes`: other arguments of `Engine`."""
        clip_model, clip_pretrained = configured_clip()
        options: dict[str, Any] = {
            "clip_model": clip_model,
            "clip_pretrained": clip_pretrained,
            "blip_model": settings.AI_BLIP_MODEL,
            "device": settings.AI_DEVICE,
            "dtype": settings.AI_DTYPE,
            "threads": settings.AI_THREADS,
            "beams": settings.AI_CAPTION_BEAMS,
        }
        return cls(**{**options, **changes})

    @observe_inference("clip")
    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """float32 [n, 512], rows of unit length in the images' order (RGB, any size).

        Raises ModelUnavailable, or FloatingPointError when a number is not finite.
        """
        return self.clip.get().embed_images(images)

    @observe_inference("clip")
    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 [n, 512], rows of unit length; a text is cut at the model's context length.

        Raises as `embed_images`.
        """
        return self.clip.get().embed_texts(texts)

    @observe_inference("blip")
    def caption_images(
        self, images: Sequence[Image.Image], *, max_new_tokens: int = CAPTION_TOKENS
    ) -> list[str]:
        """One caption per RGB image, in order. Raises ModelUnavailable."""
        return self.blip.get().caption_images(images, max_new_tokens)

    @property
    def embed_batch_size(self) -> int:
        """Images that CLIP looks at in one pass, at most. Raises ModelUnavailable."""
        return self.clip.get().batch.max_size

    @property
    def caption_batch_size(self) -> int:
        """Images that BLIP captions at once, at most. Raises ModelUnavailable."""
        return self.blip.get().batch.max_size

    @property
    def caption_source(self) -> str:
        """`blip_name`, with the commit of a model of the hub: "owner/name@82a37760".

        Raises ModelUnavailable.
        """
        location = self.blip.get().location
        commit = location.name[:8] if location.parent.name == "snapshots" else ""
        return f"{self.blip_name}@{commit}" if commit else self.blip_name

    @observe_inference("clip")
    def classify(
        self, image_vectors: NDArray[np.float32], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """float32 [n, k]: for each of n unit vectors, the probabilities of the k prompts.

        Softmax of cosines times the model's own trained scale. Raises as `embed_images`.
        """
        clip = self.clip.get()
        kept = self._classified
        if kept is None or kept[0] != list(prompts):
            kept = self._classified = list(prompts), clip.embed_texts(prompts)
        return clip.probabilities(image_vectors, kept[1])

    def label(
        self, image_vectors: NDArray[np.float32], labels: Sequence[LocalizedTexts]
    ) -> NDArray[np.float32]:
        """float32 [n, k + 1]: the probabilities of k labels, and last of "none of these".

        Of n unit vectors in this engine's space; see `ai.zero_shot`. Raises as `embed_images`.
        """
        kept = self._labels
        if kept is None or kept[0] != list(labels):
            known = embed_labels(self.embed_texts, labels, self.clip_name)
            kept = self._labels = list(labels), known
        return kept[1].probabilities(image_vectors)


def _wrong_model_error(name: str, found: str, model: str) -> ModelUnavailable:
    if "@" not in name:
        return ModelUnavailable(
            f"{name}: its vectors are from before names told what lies in a directory. Make them "
            f"anew: `manage.py change_model {model}`."
        )
    return ModelUnavailable(
        f"{name}: another model lies there now, {found}, whose vectors do not fit those of the "
        f"collection. Put the weights back, or move to it: `manage.py change_model {model}`."
    )
