"""CLIP ViT-B/32 and BLIP base with random weights, as transformers saves them.

How long a network computes does not depend on what its weights are.
"""

import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "var" / "random-full-size"


def full_size_models(directory: Path = CACHE) -> dict[str, str]:
    """The settings that name both models, in the environment's words; made once (1.5 GB)."""
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

    print(f"Making models of full size in {clip.parent}", file=sys.stderr)
    torch.manual_seed(0)
    # CLIPConfig's defaults are those of openai/clip-vit-base-patch32.
    CLIPModel(CLIPConfig(text_config={}, vision_config={})).save_pretrained(clip)
    # As Salesforce/blip-image-captioning-base says it.
    text = {"num_attention_heads": 12, "vocab_size": 30_524}
    # Its vision's usual range, 1e-10, would leave nothing of the picture to compute with.
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
