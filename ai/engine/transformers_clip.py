"""Conversion of weights saved by transformers' CLIPModel to open_clip's layout.

The two libraries have the same network (arXiv:2103.00020) with other names of parameters.
transformers separates the projections of queries, keys and values, which open_clip stacks, and its
projections to the common space are transposed.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transform import PreprocessCfg
from transformers import CLIPConfig

from ai.engine import checkpoints
from ai.engine.precision import DTYPES
from ai.fingerprint import WEIGHTS

OPENAI_VOCABULARY = 49_408  # entries of the byte-pair vocabulary that open_clip contains
_INTERPOLATION = {2: "bilinear", 3: "bicubic"}  # by PIL's number
Tokenizer = Callable[[Sequence[str]], torch.Tensor]  # n texts → int64 [n, tokens]
Config = dict[str, Any]  # parsed JSON, or keyword arguments
ClipParts = tuple[CLIP, Tokenizer, Path]  # network, tokenizer, and location of the weights

_ONE_TO_ONE = {
    "logit_scale": "logit_scale",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
}
_TRANSPOSED = {
    "text_projection.weight": "text_projection",
    "visual_projection.weight": "visual.proj",
}
_IN_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_LAYER = re.compile(r"(text|vision)_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def load(directory: Path, device: torch.device, dtype: str) -> ClipParts:
    """Load a directory of transformers' CLIPModel.

    dtype: a key of `precision.DTYPES`. Raises OSError, ValueError or RuntimeError (a parameter
    too many or missing) if the directory does not contain such a model.
    """
    config = CLIPConfig.from_pretrained(directory, local_files_only=True)
    if config.model_type != "clip":
        raise ValueError(f"its model_type is {config.model_type!r}, not 'clip'")
    state = checkpoints.read_tensors(
        checkpoints.find_weights_file(directory, WEIGHTS), DTYPES[dtype]
    )
    network = build_native_clip(convert_config(config), convert_state(state), device)
    open_clip.set_model_preprocess_cfg(network, _read_preprocessing(directory, config))
    return network, _load_tokenizer(directory, config), directory


def build_native_clip(config: Config, state: dict[str, torch.Tensor], device: torch.device) -> CLIP:
    """Return open_clip's CLIP with the tensors of `state` as parameters, without copying them."""
    with torch.device("meta"):
        network = CLIP(**config)
    network.load_state_dict(state, strict=True, assign=True)
    size = network.context_length  # the one constant that no checkpoint contains
    network.attn_mask = torch.full((size, size), -torch.inf).triu_(1)
    return network.to(device)


def convert_config(config: CLIPConfig) -> Config:
    """Return the arguments of open_clip's CLIP for the same network.

    Raises ValueError if open_clip has no such network.
    """
    vision, text = config.vision_config, config.text_config
    if (activations := {vision.hidden_act, text.hidden_act}) not in ({"gelu"}, {"quick_gelu"}):
        raise ValueError(f"its activations are {activations}: open_clip has no such network")
    # Configurations of 2021 name token 2 as the end but use the highest one, found by argmax.
    by_argmax = text.eos_token_id in (2, text.vocab_size - 1)
    return {
        "embed_dim": config.projection_dim,
        "quick_gelu": text.hidden_act == "quick_gelu",
        "vision_cfg": {
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "layers": vision.num_hidden_layers,
            "width": vision.hidden_size,
            "head_width": vision.hidden_size // vision.num_attention_heads,
            "mlp_ratio": vision.intermediate_size / vision.hidden_size,
            "norm_kwargs": {"eps": vision.layer_norm_eps},
        },
        "text_cfg": {
            "context_length": text.max_position_embeddings,
            "vocab_size": text.vocab_size,
            "layers": text.num_hidden_layers,
            "width": text.hidden_size,
            "heads": text.num_attention_heads,
            "mlp_ratio": text.intermediate_size / text.hidden_size,
            "norm_kwargs": {"eps": text.layer_norm_eps},
            "pool_type": "argmax" if by_argmax else "eos",
            "eos_id": text.eos_token_id,
        },
    }


def convert_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the same parameters with open_clip's names. Raises ValueError for an unknown name."""
    result: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if name.endswith("position_ids"):
            continue  # a constant 0, 1, 2 … that open_clip does not store
        if name in _ONE_TO_ONE:
            result[_ONE_TO_ONE[name]] = value
        elif name in _TRANSPOSED:
            result[_TRANSPOSED[name]] = value.T.contiguous()
        elif match := _LAYER.fullmatch(name):
            tower, index, part, parameter = match.groups()
            block = f"{'visual.' if tower == 'vision' else ''}transformer.resblocks.{index}"
            if part in _IN_LAYER:
                result[f"{block}.{_IN_LAYER[part]}.{parameter}"] = value
            elif part == "self_attn.q_proj":
                stem = name.replace("q_proj", "{}_proj")
                stacked = torch.cat([state[stem.format(letter)] for letter in "qkv"])
                result[f"{block}.attn.in_proj_{parameter}"] = stacked
        else:
            raise ValueError(f"open_clip has no equivalent of the parameter {name}")
    return result


def _read_preprocessing(directory: Path, config: CLIPConfig) -> Config:
    """Convert preprocessor_config.json to open_clip's settings; without it, return CLIP's own."""
    path = directory / "preprocessor_config.json"
    saved = json.loads(path.read_text()) if path.exists() else {}
    options = {
        "size": config.vision_config.image_size,
        "mean": saved.get("image_mean"),
        "std": saved.get("image_std"),
        "interpolation": _INTERPOLATION.get(saved.get("resample", 3)),
    }
    return asdict(
        PreprocessCfg(**{key: value for key, value in options.items() if value is not None})
    )


def _load_tokenizer(directory: Path, config: CLIPConfig) -> Tokenizer:
    length = config.text_config.max_position_embeddings
    if config.text_config.vocab_size == OPENAI_VOCABULARY:
        return SimpleTokenizer(context_length=length)
    return HFTokenizer(str(directory), context_length=length)
