"""Presets: the models that SMIMSO knows by name, and their expected properties. Free of torch.

Facts: open_clip's model configurations and pretrained tags (`get_model_config`,
`get_pretrained_cfg`), CLIP's paper (arXiv:2103.00020). Scores are in `ai.calibration`.
"""

from dataclasses import dataclass
from typing import Literal

# By language. A prompt ensemble, as in CLIP's paper (section 3.1.4): a label's vector is the mean.
PROMPT_TEMPLATES = {
    "en": (
        "{}",
        "a photo of {}",
        "a picture of {}",
        "a close-up photo of {}",
        "a photo of the {}",
        "an image about {}",
    ),
    "vi": ("{}", "một bức ảnh về {}", "hình ảnh {}", "ảnh chụp {}"),
}
# Prompts that fit every picture; a label has to score higher than these.
BACKGROUND_PROMPTS = {
    "en": ("a photo", "a picture", "an image", "a photo of something"),
    "vi": ("một bức ảnh", "hình ảnh", "ảnh chụp một thứ gì đó"),
}

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Expected:
    """Expected properties of a loaded network, checked by `ai.engine.self_test`.

    activations: names of all activation classes in the transformers. image_size: pixels. mean,
    std: of the RGB channels, 0..1. context: tokens per text. padding: the token after the end of
    a short text. scale: range of exp(logit_scale); an untrained model has 14.3.
    """

    activations: frozenset[str]
    image_size: int = 224
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    interpolation: str = "bicubic"
    resize: Literal["shortest", "squash"] = "shortest"
    context: int = 77
    padding: int = 0
    scale: tuple[float, float] = (50.0, 100.5)


@dataclass(frozen=True)
class Preset:
    """key: typed by operators. name: stored with vectors (`ai.model_ids.clip_name`).

    languages: those of prompts that the model understands. temperature, margin: parameters of
    `ai.zero_shot`. expected: None if nothing is known. fingerprint: of the preset's directory
    (`ai.fingerprint`); other weights there are another model and get another name, because
    collections hold vectors of these.
    """

    key: str
    model: str
    pretrained: str
    name: str
    languages: tuple[str, ...] = ("en",)
    temperature: float = 100.0
    margin: float = 0.0
    expected: Expected | None = None
    fingerprint: str = ""


PRESETS: dict[str, Preset] = {
    preset.key: preset
    for preset in (
        Preset(
            key="openai",
            model="ViT-B-32-quickgelu",
            pretrained="openai",
            name="ViT-B-32-quickgelu/openai",
            expected=Expected(frozenset({"QuickGELU"})),
        ),
        Preset(
            key="laion2b",
            model="ViT-B-32",
            pretrained="laion2b_s34b_b79k",
            name="ViT-B-32/laion2b_s34b_b79k",
            expected=Expected(frozenset({"GELU"})),
        ),
        Preset(
            key="multilingual",
            model="xlm-roberta-base-ViT-B-32",
            pretrained="laion5b_s13b_b90k",
            name="xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
            languages=("en", "vi"),
            expected=Expected(frozenset({"GELU", "GELUActivation"}), padding=1),
        ),
        Preset(
            key="demo",
            model="local-dir:ai/demo_models/clip",
            pretrained="",
            name="local-dir/clip",
            languages=("en", "vi"),
            temperature=30.0,  # as in its training
            margin=-0.1,  # "a photo" is close to every scene; measured on scenes unseen in training
            expected=Expected(
                frozenset({"GELU"}),
                image_size=112,
                resize="squash",
                context=40,
                scale=(25.0, 35.0),
            ),
            fingerprint="6fdbd5f8",
        ),
    )
}
_BY_NAME = {preset.name: preset for preset in PRESETS.values()}
NAME_BY_FINGERPRINT = {p.fingerprint: p.name for p in PRESETS.values() if p.fingerprint}


def preset_by_name(name: str) -> Preset:
    """Return the preset of a vector space, or one without a key for an unknown model."""
    return _BY_NAME.get(name) or Preset(key="", model="", pretrained="", name=name)
