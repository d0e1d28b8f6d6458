"""CLIP ViT-B/32 and BLIP base with random weights, saved by transformers.

The time that a network takes does not depend on the values of its weights.
"""

import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "var" / "random-full-size"


def prepare_models(directory: Path = CACHE) -> dict[str, str]:
    """Create both models once (1.5 GB); return the environment variables that select them."""
    clip, blip = directory / "clip-vit-base-patch32", directory / "blip-image-captioning-base"
    if not (blip / "tokenizer.json").exists():
        directory.mkdir(parents=True, exist_ok=True)
        _save(clip, blip)
    return {
        "SMIMSO_CLIP_MODEL": str(clip),
        "SMIMSO_CLIP_PRETRAINED": "",
        "SMIMSO_BLIP_MODEL": str(blip),
        "HF_HUB_OFFLINE": "1",
    }


def _save(clip: Path, blip: Path) -> None:
    from ai.engine.torchvision_operators import declare_missing_operators

    declare_missing_operators()
    import torch
    from tokenizers import Tokenizer, models
    from transformers import (
        BlipConfig,
        BlipForConditionalGeneration,
        CLIPConfig,
        CLIPModel,
        PreTrainedTokenizerFast,
    )
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    print(f"Creating full-size models in {clip.parent}", file=sys.stderr)
    torch.manual_seed(0)
    # CLIPConfig's defaults are those of openai/clip-vit-base-patch32.
    CLIPModel(CLIPConfig(text_config={}, vision_config={})).save_pretrained(clip)
    # From the configuration of Salesforce/blip-image-captioning-base.
    text = {"num_attention_heads": 12, "vocab_size": 30_524}
    # The default range of the vision model, 1e-10, would make all activations vanish.
    vision = {"image_size": 384, "initializer_range": 0.02}
    config = BlipConfig(vision_config=vision, text_config=text)
    BlipForConditionalGeneration(config).save_pretrained(blip)
    size = {"height": 384, "width": 384}
    BlipImageProcessorPil(size=size).save_pretrained(blip)
    words = {f"w{number}": number for number in range(30_524)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w100"))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="w100", pad_token="w0", sep_token="w102"
    ).save_pretrained(blip)
