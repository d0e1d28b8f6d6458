"""A CLIP model, loaded by open_clip from any source of weights.

CLIP: Radford et al. 2021, arXiv:2103.00020. The sources are an architecture of open_clip with a
pretrained tag, a directory of open_clip, a directory saved by transformers' CLIPModel, and a
repository of the hub with either of the two.
"""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.hf_model import HFTextEncoder
from open_clip.model import CLIP
from open_clip.pretrained import (
    download_pretrained,
    get_pretrained_cfg,
    list_pretrained_tags_by_model,
)
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image
from torchvision.transforms import Compose

from ai.engine import checkpoints, self_test, transformers_clip, weights
from ai.engine.acceleration import ImageEncoder, TextEncoder, accelerate_clip
from ai.engine.adaptive_batch import AdaptiveBatch, DeviceTransfer
from ai.engine.precision import DTYPES
from ai.engine.transformers_clip import ClipParts, Config, Tokenizer
from ai.errors import ModelUnavailable
from ai.fingerprint import OPEN_CLIP_WEIGHTS, WEIGHTS
from ai.model_ids import LOCAL_DIR_SCHEME, is_repository, local_directory
from ai.presets import Preset

MAX_BATCH = 16  # images or texts per forward pass; bounds memory, not the number that callers pass
MAX_BATCH_CUDA = 256
_PREPROCESS_KEYS = ("mean", "std", "interpolation", "resize_mode")
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A loaded model.

    encode_images: uint8 [n, height, width, 3] on the device → [n, vector_size]. encode_texts:
    int64 [n, tokens] → [n, vector_size]. resize: to the size of its images. scale, bias: of the
    cosines before the softmax. location: the file or directory of its weights.
    """

    encode_images: ImageEncoder
    encode_texts: TextEncoder
    resize: Callable[[Image.Image], Image.Image]
    tokenizer: Tokenizer
    scale: float
    bias: float
    device: torch.device
    dtype: torch.dtype
    dtype_name: str
    vector_size: int
    location: Path
    transfer: DeviceTransfer
    batch: AdaptiveBatch
    # Rust tokenizers raise "Already borrowed" if two threads set their truncation at once.
    tokenizer_lock: threading.Lock

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Return float32 [n, vector_size] of unit length, in the images' order."""
        return self._join(self.batch.run(images, self._embed_image_batch), len(images))

    def _embed_image_batch(self, images: Sequence[Image.Image]) -> torch.Tensor:
        pixels = self.transfer([self.resize(image) for image in images])
        return self._normalize(self.encode_images(pixels))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return float32 [n, vector_size] of unit length; texts are cut at the context length."""
        return self._join(self.batch.run(texts, self._embed_text_batch), len(texts))

    def _embed_text_batch(self, texts: Sequence[str]) -> torch.Tensor:
        with self.tokenizer_lock:
            tokens = self.tokenizer(list(texts))
        return self._normalize(self.encode_texts(tokens.to(self.device)))

    def probabilities(self, image_vectors: Vectors, text_vectors: Vectors) -> Vectors:
        """Return the softmax of CLIP's scaled cosines over k texts: float32 [n, k].

        See the paper, figure 3.
        """
        cosines = torch.from_numpy(image_vectors) @ torch.from_numpy(text_vectors).T
        return (self.scale * cosines + self.bias).softmax(dim=-1).numpy()

    @staticmethod
    def _normalize(features: torch.Tensor) -> torch.Tensor:
        # In float32: a norm in bf16 alone would leave the length 0.4 % off.
        return torch.nn.functional.normalize(features.float(), dim=-1)

    def _join(self, batches: list[torch.Tensor], count: int) -> Vectors:
        """Join the batches on the CPU. Until here, CUDA computes while the CPU prepares more."""
        if not batches:
            return np.zeros((0, self.vector_size), np.float32)
        vectors = torch.cat(batches).cpu().numpy()
        if vectors.shape != (count, self.vector_size):
            raise ValueError(f"CLIP returned {vectors.shape} for {count} inputs")
        if not np.isfinite(vectors).all():
            raise FloatingPointError("CLIP computed a vector that is not finite")
        return vectors


def load_clip(
    model: str,
    pretrained: str,
    *,
    device: torch.device,
    dtype: str,
    vector_size: int,
    preset: Preset,
) -> Clip:
    """Load a CLIP model and run it once.

    model, pretrained: as in the settings. dtype: a key of DTYPES. Raises ModelUnavailable if the
    weights are missing, give vectors of another size, or are not those of the preset.
    """
    name = f"CLIP model {model}"
    directory = _find_directory(name, model)
    try:
        network, tokenizer, location = _read_network(
            name, directory, model, pretrained, device, dtype
        )
        self_test.check_network(network, tokenizer, preset)
        reference = self_test.compute_reference(network, tokenizer, preset, device, DTYPES[dtype])
        clip = _build_clip(network, tokenizer, location, device, dtype, vector_size)
        del network
        _warm_up(clip)
        self_test.check_vectors(clip, preset, reference)
        checkpoints.trim_memory()
    except ModelUnavailable:
        raise
    except Exception as error:  # three libraries raise many types for a bad file or name
        sought = str(directory or f"weights {pretrained!r}")
        raise weights.unavailable_error(name, sought, error) from error
    return clip


def _find_directory(name: str, model: str) -> Path | None:
    """Return the directory of a model's files; None for an architecture of open_clip."""
    if not (local_directory(model) or is_repository(model)):
        return None
    return weights.find_model_directory(name, model, [*OPEN_CLIP_WEIGHTS, *WEIGHTS])


def _read_network(
    name: str,
    directory: Path | None,
    model: str,
    pretrained: str,
    device: torch.device,
    dtype: str,
) -> ClipParts:
    if directory is None:
        parts = _read_architecture(name, model, pretrained, device, dtype)
    elif (directory / "open_clip_config.json").exists():
        parts = _read_open_clip(directory, device, dtype)
    else:
        parts = transformers_clip.load(directory, device, dtype)
    network = parts[0]
    if isinstance(getattr(network, "text", None), HFTextEncoder):
        # open_clip leaves its norms and embeddings in fp32, which do not fit the other weights.
        network.text.to(DTYPES[dtype])
    network.eval().requires_grad_(False)
    return parts


def _build_clip(
    network: CLIP,
    tokenizer: Tokenizer,
    location: Path,
    device: torch.device,
    dtype: str,
    vector_size: int,
) -> Clip:
    config = PreprocessCfg(**network.visual.preprocess_cfg)
    scale, bias = network.logit_scale.detach().exp(), network.logit_bias
    encode_images, encode_texts = accelerate_clip(network, config.mean, config.std, DTYPES[dtype])
    return Clip(
        encode_images=encode_images,
        encode_texts=encode_texts,
        # Without the last two steps: the device receives bytes, and the encoder normalizes them.
        resize=Compose(image_transform_v2(config, is_train=False).transforms[:-2]),
        tokenizer=tokenizer,
        scale=float(scale),
        bias=0.0 if bias is None else float(bias),
        device=device,
        dtype=DTYPES[dtype],
        dtype_name=dtype,
        vector_size=vector_size,
        location=location,
        transfer=DeviceTransfer(device),
        batch=AdaptiveBatch(MAX_BATCH_CUDA if device.type == "cuda" else MAX_BATCH),
        tokenizer_lock=threading.Lock(),
    )


def _read_architecture(
    name: str, architecture: str, pretrained: str, device: torch.device, dtype: str
) -> ClipParts:
    """pretrained: a tag that open_clip knows for the architecture, or a file of weights."""
    tag = get_pretrained_cfg(architecture, pretrained)
    if repository_and_file := tag.get("hf_hub"):
        repository, _, file = repository_and_file.rpartition("/")
        names = [f"{Path(file).stem}.safetensors", file] if file else OPEN_CLIP_WEIGHTS
        location = weights.find_hub_file(name, repository, names)
    elif tag:
        location = Path(download_pretrained(tag))
    else:
        location = Path(pretrained)
    if not location.is_file():
        tags = ", ".join(list_pretrained_tags_by_model(architecture)) or "none"
        raise weights.unavailable_error(
            name, f"weights {pretrained!r}", f"neither a file nor a tag of open_clip: {tags}"
        )
    # OpenAI's weights give wrong vectors with GELU; their tag says so, the architecture does not.
    quick_gelu = bool(tag.get("quick_gelu"))
    preprocess = {key: tag[key] for key in _PREPROCESS_KEYS if tag.get(key)}
    config = open_clip.get_model_config(architecture) or {}
    if quick_gelu:
        config["quick_gelu"] = True
    network = _read_native_clip(
        config, location, preprocess, device, dtype
    ) or open_clip.create_model(
        architecture,
        pretrained=str(location),
        precision=dtype,
        device=device,
        force_quick_gelu=quick_gelu,
        force_preprocess_cfg=preprocess,
        require_pretrained=True,
    )
    return network, open_clip.get_tokenizer(architecture), location


def _read_open_clip(directory: Path, device: torch.device, dtype: str) -> ClipParts:
    schema = f"{LOCAL_DIR_SCHEME}{directory}"
    saved = json.loads((directory / "open_clip_config.json").read_text())
    location = checkpoints.find_weights_file(directory, [*OPEN_CLIP_WEIGHTS, *WEIGHTS])
    preprocess = saved.get("preprocess_cfg", {})
    network = _read_native_clip(saved["model_cfg"], location, preprocess, device, dtype)
    network = network or open_clip.create_model(
        schema, precision=dtype, device=device, require_pretrained=True
    )
    return network, open_clip.get_tokenizer(schema), directory


def _read_native_clip(
    config: Config,
    location: Path,
    preprocess: Config,
    device: torch.device,
    dtype: str,
) -> CLIP | None:
    """Return a network of open_clip without a second copy of its weights in memory.

    Returns None if it is not open_clip's plain CLIP with open_clip's names of parameters: then
    open_clip has to load it.
    """
    is_custom = config.get("custom_text") or "hf_model_name" in config.get("text_cfg", {})
    if is_custom or not config or "timm_model_name" in config["vision_cfg"]:
        return None
    state = checkpoints.read_tensors(location, DTYPES[dtype])
    try:
        network = transformers_clip.build_native_clip(config, state, device)
    except (RuntimeError, TypeError):  # other names, or settings of another class
        return None
    size = {"size": network.visual.image_size}
    cfg = merge_preprocess_dict(PreprocessCfg(**size), preprocess | size)
    open_clip.set_model_preprocess_cfg(network, cfg)
    return network


@torch.inference_mode()
def _warm_up(clip: Clip) -> None:
    """Run the first passes, which take seconds. Raises ValueError for vectors of another size."""
    # The size is that of a computed vector: architectures store it in different places.
    size = clip.encode_texts(clip.tokenizer(["a photo"]).to(clip.device)).shape[-1]
    if size != clip.vector_size:
        raise ValueError(f"its vectors have {size} numbers, the database stores {clip.vector_size}")
    clip.embed_images([Image.new("RGB", (224, 224))])
