"""Train the demo CLIP from scratch and write it as an open_clip directory.

    python -m ai.demo_models.train_clip --data DIR --checkpoint FILE --out ai/demo_models/clip

The contrastive loss is CLIP's (Radford et al. 2021, arXiv:2103.00020). The pictures are
drawn, so their labels hold more than one sentence: auxiliary heads, dropped after training, predict
the object in every cell and the setting, which makes the image tower learn much faster.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ai.engine.torchvision_operators import declare_missing_operators

declare_missing_operators()  # before open_clip, which imports torchvision

from open_clip.model import CLIP  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

from ai.demo_models.descriptions import sample_description  # noqa: E402
from ai.demo_models.scenes import COLOURS, KINDS, MAX_COUNT, PLACES, SIZES, TIMES, WEATHERS  # noqa: E402
from ai.demo_models.tokenization import CONTEXT_LENGTH, EOS_ID, PAD_ID, train_tokenizer  # noqa: E402
from ai.demo_models.training_batches import (  # noqa: E402
    MEAN,
    NO_OBJECT,
    STD,
    Batch,
    SceneBatches,
    compute_cell_loss,
    encode,
    match_descriptions,
)
from ai.demo_models.training_run import TrainingRun, build_optimizer, parse_options  # noqa: E402

IMAGE_SIZE = 112
_EARLY_SIZE = 96
_GRID_CHANNELS = 256
_MAX_LOGIT_SCALE = 4.6052  # log 100, CLIP's bound
_SIMILAR_FROM = 0.3
_FULL_SIZE_FROM = 0.88


def build_config(vocabulary_size: int) -> dict[str, Any]:
    """Return the ``model_cfg`` of the demo CLIP for open_clip."""
    return {
        "embed_dim": 512,
        "vision_cfg": {
            "timm_model_name": "resnet10t",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": IMAGE_SIZE,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            # open_clip only asks whether a name is set; a local directory holds its own files.
            "hf_tokenizer_name": "tokenizer",
            "tokenizer_kwargs": {"clean": "whitespace"},
            "width": 256,
            "heads": 4,
            "layers": 2,
            "pad_id": PAD_ID,
            "eos_id": EOS_ID,
            "pool_type": "eos",
        },
    }


class AuxiliaryHeads(nn.Module):
    """Heads that predict the labels of a picture from the image tower; used in training only."""

    _OUTPUTS = (
        len(PLACES),
        len(TIMES),
        len(WEATHERS),
        len(KINDS),
        len(COLOURS),
        len(SIZES),
        max(MAX_COUNT.values()) + 1,
    )

    _WEIGHTS = (0.25, 0.25, 0.25, 1.0, 0.5, 0.25, 0.25)  # the kind is the hardest

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.cells = nn.Conv2d(channels, NO_OBJECT + 1 + len(COLOURS), 1)
        self.whole = nn.Linear(width, sum(self._OUTPUTS))
        self.presence = nn.Linear(width, len(KINDS))

    def forward(self, grid: torch.Tensor, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the summed cross entropies; ``grid``: (n, c, g, g), ``features``: (n, width)."""
        loss = 2 * compute_cell_loss(self.cells(grid), batch.label_cells(grid.shape[-1]))
        settings = torch.from_numpy(batch.settings).long()
        main = torch.from_numpy(batch.objects[:, 0]).long()
        targets = (*settings.unbind(1), main[:, 0], main[:, 2], main[:, 3], main[:, 4])
        parts = self.whole(features).float().split(self._OUTPUTS, 1)
        for weight, part, target in zip(self._WEIGHTS, parts, targets, strict=True):
            loss = loss + weight * functional.cross_entropy(part, target)
        present = torch.zeros(len(main), len(KINDS) + 1)
        kinds_shown = torch.from_numpy(batch.objects[:, :, 0]).long()
        present.scatter_(1, kinds_shown.masked_fill(kinds_shown < 0, len(KINDS)), 1.0)
        presence = self.presence(features).float()
        return loss + 4 * functional.binary_cross_entropy_with_logits(presence, present[:, :-1])


def compute_contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, true: torch.Tensor
) -> torch.Tensor:
    """Return CLIP's symmetric loss, without other true pairs among the negatives.

    ``images`` and ``texts``: (n, width), unit length; ``true``: bool (picture, text), whether the
    text is true of the picture. A short text is often true of several pictures, which must not
    count as negatives.
    """
    diagonal = torch.eye(len(images), dtype=torch.bool)
    logits = (scale * images @ texts.T).masked_fill(true & ~diagonal, -1e4)
    labels = torch.arange(len(images))
    return 0.5 * (
        functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)
    )


class Trainer(nn.Module):
    """The model with its auxiliary heads, and the loss of one batch."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.model = CLIP(**build_config(len(tokenizer)))
        self.model.to(memory_format=torch.channels_last)
        self.heads = AuxiliaryHeads(_GRID_CHANNELS, 512)
        self._tokenizer = tokenizer
        self._grid = torch.empty(0)
        self.model.visual.trunk.layer3.register_forward_hook(self._store_grid)

    def _store_grid(self, _module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        self._grid = output

    def forward(self, batch: Batch, rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the contrastive and auxiliary loss of ``batch`` with newly sampled texts."""
        described = [sample_description(scene, rng) for scene in batch.scenes]
        tokens = self._tokenizer(
            [item.text for item in described],
            return_tensors="pt",
            padding="max_length",
            truncation=True,
            max_length=CONTEXT_LENGTH,
        ).input_ids
        true = match_descriptions((batch.settings, batch.objects), encode(described))
        images = batch.images.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = self.model.encode_image(images)
            texts = self.model.encode_text(tokens)
            auxiliary = self.heads(self._grid, features, batch)
        contrast = compute_contrastive_loss(
            functional.normalize(features.float(), dim=-1),
            functional.normalize(texts.float(), dim=-1),
            self.model.logit_scale.exp(),
            torch.from_numpy(true),
        )
        return contrast, auxiliary


def save_clip(model: CLIP, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write an open_clip directory with float16 weights."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(directory)
    config = {
        "model_cfg": build_config(len(tokenizer)),
        "preprocess_cfg": {
            "mean": MEAN,
            "std": STD,
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    (directory / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(weights, directory / "open_clip_model.safetensors")


def main() -> None:
    """Run the command line."""
    options = parse_options(__doc__, batch_size=256, steps=3000, learning_rate=1.5e-3)
    torch.set_num_threads(options.threads)
    tokenizer = train_tokenizer()
    trainer = Trainer(tokenizer, options.seed).train()
    run = TrainingRun(trainer, build_optimizer(trainer, options.learning_rate), options)
    run.resume()
    batches = SceneBatches(options.data, options.batch_size, options.seed)
    for bar in run.iterate_steps():
        late = run.progress > _SIMILAR_FROM
        size = IMAGE_SIZE if run.progress > _FULL_SIZE_FROM else _EARLY_SIZE
        batch = batches.make_batch(run.step, size, similar=late and run.step % 2 == 0)
        # The fused attention of the CPU takes six times as long in the backward pass.
        with sdpa_kernel(SDPBackend.MATH):
            contrast, auxiliary = trainer(batch, random.Random(f"{options.seed}-{run.step}"))
            run.update(contrast + (1 - 0.8 * run.progress) * auxiliary)
        trainer.model.logit_scale.data.clamp_(max=_MAX_LOGIT_SCALE)
        bar.set_postfix_str(f"step {run.step} contrast {contrast:.3f} auxiliary {auxiliary:.3f}")
    save_clip(trainer.model.eval(), tokenizer, options.out)


if __name__ == "__main__":
    main()
