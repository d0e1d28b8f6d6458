"""Small random models, so that tests of the engine are fast and need no downloads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from ai.engine import Engine


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Eight pictures of coloured discs with different sizes and aspect ratios."""
    sizes = [(640, 480), (480, 640), (301, 224), (1000, 333), (224, 224), (97, 131), (768, 511)]
    return [_discs(seed, size) for seed, size in enumerate([*sizes, (512, 512)])]


def _discs(seed: int, size: tuple[int, int]) -> Image.Image:
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(random.integers(0, 255, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(30):
        x, y = random.integers(0, size[0]), random.integers(0, size[1])
        radius = random.integers(5, max(6, size[1] // 3))
        color = tuple(random.integers(0, 255, 3).tolist())
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    return image


def save_clip(directory: Path, *, width: int = 512, **vision: Any) -> Path:
    """Save a CLIP of two thin layers with random weights in the format of transformers."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    tower |= {"num_attention_heads": 2}
    config = CLIPConfig(
        text_config=tower,
        vision_config={**tower, "image_size": 32, "patch_size": 8, **vision},
        projection_dim=width,
    )
    CLIPModel(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


def save_multilingual_clip(directory: Path, *, image_size: int = 64) -> Path:
    """Save a CLIP like `xlm-roberta-base-ViT-B-32`, with an XLM-RoBERTa as its text tower."""
    import open_clip
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig

    words = ["<s>", "<pad>", "</s>", "<unk>", "một", "con", "mèo", "a", "cat"]
    tower = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    tower |= {"intermediate_size": 128, "vocab_size": len(words), "pad_token_id": 1}
    XLMRobertaConfig(**tower).save_pretrained(directory / "text")
    config = {
        "embed_dim": 512,
        "vision_cfg": {"image_size": image_size, "layers": 2, "width": 128, "patch_size": 32},
        "text_cfg": {
            "hf_model_name": str(directory / "text"),
            "hf_tokenizer_name": "its own",
            "hf_pooler_type": "mean_pooler",
        },
    }
    body = json.dumps({"model_cfg": config, "preprocess_cfg": {}})
    (directory / "open_clip_config.json").write_text(body)
    ids = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(directory)
    network = open_clip.create_model(f"local-dir:{directory}", pretrained_text=False)
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, directory / "open_clip_model.safetensors")
    return directory


@pytest.fixture(scope="session")
def make_engine(tiny_clip: Path) -> Callable[..., "Engine"]:
    """`make_engine(clip_model=…)`: an engine that computes in fp32 on the CPU."""

    from ai.engine import Engine

    def make(**options: Any) -> Engine:
        defaults = {"clip_model": str(tiny_clip), "clip_pretrained": "", "device": "cpu"}
        defaults |= {"blip_model": "ai/demo_models/blip", "dtype": "fp32"}
        return Engine(**{**defaults, **options})

    return make


@pytest.fixture(scope="session")
def tiny_engine(make_engine: Callable[..., "Engine"]) -> "Engine":
    return make_engine()
