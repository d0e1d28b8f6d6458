"""One CLIP model under open_clip, wherever its weights come from.

CLIP: Radford et al. 2021, arXiv:2103.00020. Four sources, one code path behind them:
an architecture of open_clip with a pretrained tag, a directory of open_clip, a directory saved
by transformers' CLIPModel, or a hub's repository with either of the two.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.hf_model import HFTextEncoder
from open_clip.pretrained import (
    download_pretrained,
    get_pretrained_cfg,
    list_pretrained_tags_by_model,
)
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image
from torchvision.transforms import Compose

from ai.engine import checkpoints, self_test, towers, transformers_clip, weights
from ai.engine.adaptive_batch import AdaptiveBatch, DeviceTransfer
from ai.engine.checkpoints import trim_memory
from ai.engine.precision import DTYPES
from ai.errors import ModelUnavailable
from ai.fingerprint import OPEN_CLIP_WEIGHTS, WEIGHTS
from ai.model_ids import LOCAL_DIR_SCHEME, is_repository, local_directory
from ai.presets import Preset

MAX_BATCH = 16  # images or texts per forward pass; bounds memory, not what callers may send
MAX_BATCH_CUDA = 256
_PREPROCESS_KEYS = ("mean", "std", "interpolation", "resize_mode")
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A loaded model; `location` is the file or directory that the weights came from."""

    model: Any
    resize: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    dtype_name: str
    vector_size: int
    location: Path
    vision: torch.nn.Module
    encode_text: Any
    upload: DeviceTransfer
    batch: AdaptiveBatch
    # Rust tokenizers raise "Already borrowed" when two threads set their truncation at once.
    tokenizer_lock: threading.Lock

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Image.Image]) -> Vectors:
        """float32 [n, vector_size], unit length, in the images' order."""
        return self._joined(self.batch.run(images, self._encode_images), len(images))

    def _encode_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        return self._unit(self.vision(self.upload([self.resize(image) for image in images])))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, vector_size], unit length; tokens past the context length are cut off."""
        return self._joined(self.batch.run(texts, self._encode_texts), len(texts))

    def _encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        with self.tokenizer_lock:
            tokens = self.tokenizer(list(texts))
        return self._unit(self.encode_text(tokens.to(self.device)))

    @torch.inference_mode()
    def probabilities(self, image_vectors: Vectors, text_vectors: Vectors) -> Vectors:
        """Softmax over the texts of CLIP's scaled cosines (paper, figure 3): float32 [n, k]."""
        scale = self.model.logit_scale.exp().float().cpu()
        logits = scale * torch.from_numpy(image_vectors) @ torch.from_numpy(text_vectors).T
        if self.model.logit_bias is not None:
            logits = logits + self.model.logit_bias.float().cpu()
        return logits.softmax(dim=-1).numpy()

    @staticmethod
    def _unit(features: torch.Tensor) -> torch.Tensor:
        # In float32: a bf16 norm alone would leave the length 0.4 % off.
        return torch.nn.functional.normalize(features.float(), dim=-1)

    def _joined(self, batches: list[torch.Tensor], count: int) -> Vectors:
        """Fetched from the device only here: until then it computes while the CPU goes on."""
        if not batches:
            return np.zeros((0, self.vector_size), np.float32)
        vectors = torch.cat(batches).cpu().numpy()
        if vectors.shape != (count, self.vector_size):
            raise ValueError(f"CLIP answered {vectors.shape} to {count} inputs")
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
    """The configured CLIP model, ready to compute.

    Raises ModelUnavailable when the weights can't be had, give vectors of another size, or are
    not what the preset says.
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
        _warm_up(clip)
        self_test.check_vectors(clip, preset, reference)
        trim_memory()
    except ModelUnavailable:
        raise
    except Exception as error:  # whatever three libraries raise over a bad file or name
        sought = str(directory or f"weights {pretrained!r}")
        raise weights.unavailable_error(name, sought, error) from error
    return clip


def _find_directory(name: str, model: str) -> Path | None:
    """Where a model's files lie; None for an architecture of open_clip."""
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
) -> tuple[Any, Any, Path]:
    """Network, tokenizer and location, from whichever of the four sources."""
    if directory is None:
        parts = _read_architecture(name, model, pretrained, device, dtype)
    elif (directory / "open_clip_config.json").exists():
        parts = _read_open_clip(directory, device, dtype)
    else:
        parts = transformers_clip.load(directory, device, dtype)
    network = parts[0]
    if isinstance(getattr(network, "text", None), HFTextEncoder):
        # open_clip leaves its norms and embeddings in fp32, which then do not fit the rest.
        network.text.to(DTYPES[dtype])
    network.eval().requires_grad_(False)
    return parts


def _build_clip(
    network: Any,
    tokenizer: Any,
    location: Path,
    device: torch.device,
    dtype: str,
    vector_size: int,
) -> Clip:
    """The network with towers of our own where it is a plain one, and what prepares its input."""
    config = PreprocessCfg(**network.visual.preprocess_cfg)
    network.visual = towers.build_clip_vision(
        network.visual, config.mean, config.std, DTYPES[dtype]
    )
    text = towers.build_clip_text(network)
    if text is not None:
        del network.transformer  # its weights are in the tower, in another layout
    return Clip(
        model=network,
        # Up to the conversion into a tensor: bytes travel, the tower normalises.
        resize=Compose(image_transform_v2(config, is_train=False).transforms[:-2]),
        tokenizer=tokenizer,
        device=device,
        dtype=DTYPES[dtype],
        dtype_name=dtype,
        vector_size=vector_size,
        location=location,
        vision=network.visual,
        encode_text=text or network.encode_text,
        upload=DeviceTransfer(device),
        batch=AdaptiveBatch(MAX_BATCH_CUDA if device.type == "cuda" else MAX_BATCH),
        tokenizer_lock=threading.Lock(),
    )


def _read_architecture(
    name: str, architecture: str, pretrained: str, device: torch.device, dtype: str
) -> tuple[Any, Any, Path]:
    """`pretrained`: a tag that open_clip knows for the architecture, or a file of weights."""
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
    # OpenAI's weights give wrong vectors under GELU; their tag knows, the plain name does not.
    quick = bool(tag.get("quick_gelu"))
    preprocess = {key: tag[key] for key in _PREPROCESS_KEYS if tag.get(key)}
    config = open_clip.get_model_config(architecture) or {}
    if quick:
        config["quick_gelu"] = True
    network = _read_native_clip(
        config, location, preprocess, device, dtype
    ) or open_clip.create_model(
        architecture,
        pretrained=str(location),
        precision=dtype,
        device=device,
        force_quick_gelu=quick,
        force_preprocess_cfg=preprocess,
        require_pretrained=True,
    )
    return network, open_clip.get_tokenizer(architecture), location


def _read_open_clip(directory: Path, device: torch.device, dtype: str) -> tuple[Any, Any, Path]:
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
    config: dict[str, Any],
    location: Path,
    preprocess: dict[str, Any],
    device: torch.device,
    dtype: str,
) -> Any | None:
    """The network without a second copy of its weights in memory; None when it is not open_clip's
    own CLIP under open_clip's own names: then open_clip has to load it."""
    custom = config.get("custom_text") or "hf_model_name" in config.get("text_cfg", {})
    if custom or not config or "timm_model_name" in config["vision_cfg"]:
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
    """ValueError when the vectors have another size; also takes the slow first pass (seconds)."""
    # By computing one: architectures keep their output size in different places.
    size = clip.encode_text(clip.tokenizer(["a photo"]).to(clip.device)).shape[-1]
    if size != clip.vector_size:
        raise ValueError(f"its vectors have {size} numbers, the database stores {clip.vector_size}")
    clip.embed_images([Image.new("RGB", (224, 224))])
