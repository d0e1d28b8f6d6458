"""Train the demo BLIP from scratch and write it as a transformers directory.

    python -m ai.demo_models.train_blip --data DIR --checkpoint FILE --out ai/demo_models/blip

The architecture and the captioning loss are BLIP's (Li et al. 2022, arXiv:2201.12086). An
auxiliary head, dropped after training, names the object and its colour in every patch: with this
supervision a vision transformer needs far fewer pictures.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from ai.engine.torchvision_operators import declare_missing_operators

declare_missing_operators()  # before transformers, which imports torchvision

from transformers import (  # noqa: E402
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    GenerationConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil  # noqa: E402

from ai.demo_models.descriptions import caption  # noqa: E402
from ai.demo_models.scenes import COLOURS, PLACES, TIMES, WEATHERS  # noqa: E402
from ai.demo_models.tokenization import BOS_ID, CONTEXT_LENGTH, EOS_ID, PAD_ID, train_tokenizer  # noqa: E402
from ai.demo_models.training_batches import (  # noqa: E402
    MEAN,
    NO_OBJECT,
    STD,
    Batch,
    SceneBatches,
    compute_cell_loss,
)
from ai.demo_models.training_run import TrainingRun, build_optimizer, parse_options  # noqa: E402

IMAGE_SIZE = 112
_PATCH_SIZE = 14
_WIDTH = 256
_IGNORED = -100
_CAPTION_FROM = 0.3


def build_config(vocabulary_size: int) -> BlipConfig:
    """Return the architecture of the demo BLIP."""
    vision = {
        "hidden_size": _WIDTH,
        "intermediate_size": 3 * _WIDTH,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "image_size": IMAGE_SIZE,
        "patch_size": _PATCH_SIZE,
        "projection_dim": _WIDTH,
        "initializer_range": 0.02,  # the default, 1e-10, is meant for loading weights only
    }
    text = {
        "vocab_size": vocabulary_size,
        "hidden_size": _WIDTH,
        "encoder_hidden_size": _WIDTH,
        "intermediate_size": 2 * _WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "projection_dim": _WIDTH,
        "max_position_embeddings": CONTEXT_LENGTH,
        "bos_token_id": BOS_ID,
        "eos_token_id": EOS_ID,
        "sep_token_id": EOS_ID,
        "pad_token_id": PAD_ID,
    }
    return BlipConfig(
        vision_config=vision,
        text_config=text,
        projection_dim=_WIDTH,
        image_text_hidden_size=_WIDTH,
    )


class PatchHeads(nn.Module):
    """Heads for the object in each patch and the setting of the picture; used in training only."""

    _SETTINGS = (len(PLACES), len(TIMES), len(WEATHERS))

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Linear(_WIDTH, NO_OBJECT + 1 + len(COLOURS))
        self.whole = nn.Linear(_WIDTH, sum(self._SETTINGS))

    def forward(self, states: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the summed cross entropies; ``states``: (n, 1 + patches, width), vision model."""
        grid = IMAGE_SIZE // _PATCH_SIZE
        logits = self.patches(states[:, 1:]).unflatten(1, (grid, grid)).permute(0, 3, 1, 2)
        loss = compute_cell_loss(logits, batch.label_cells(grid))
        parts = self.whole(states[:, 0]).float().split(self._SETTINGS, 1)
        targets = torch.from_numpy(batch.settings).long().unbind(1)
        for part, target in zip(parts, targets, strict=True):
            loss = loss + 0.25 * functional.cross_entropy(part, target)
        return loss


def build_sinusoidal_positions(grid: int) -> torch.Tensor:
    """Return sines and cosines of row and column: (grid * grid, width) (arXiv:2205.01580)."""
    frequencies = 1.0 / 100 ** (torch.arange(_WIDTH // 4) / (_WIDTH // 4))
    angles = torch.arange(grid)[:, None] * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], 1)
    rows, columns = waves[:, None].expand(-1, grid, -1), waves[None].expand(grid, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)


@torch.no_grad()
def initialize_vision(vision: nn.Module) -> None:
    """Initialize the vision model so that attention favours similar positions.

    Mimetic initialisation (Trockman and Kolter 2023, arXiv:2305.09828): the products of query
    and key and of value and projection start near a positive and a negative identity.
    """
    embeddings = vision.embeddings
    embeddings.class_embedding.normal_(std=0.02)
    embeddings.position_embedding[0, 0] = 0
    embeddings.position_embedding[0, 1:] = build_sinusoidal_positions(IMAGE_SIZE // _PATCH_SIZE)
    for layer in vision.encoder.layers:
        attention = layer.self_attn
        query, key, value = attention.qkv.weight.chunk(3)  # views: writing fills the layer
        head = attention.head_dim
        for start in range(0, _WIDTH, head):
            rows = slice(start, start + head)
            target = 0.7 * torch.randn(_WIDTH, _WIDTH) / _WIDTH**0.5 + 0.7 * torch.eye(_WIDTH)
            left, strength, right = torch.linalg.svd(target)
            query[rows] = (left[:, :head] * strength[:head].sqrt()).T
            key[rows] = right[:head] * strength[:head, None].sqrt()
        target = 0.4 * torch.randn(_WIDTH, _WIDTH) / _WIDTH**0.5 - 0.4 * torch.eye(_WIDTH)
        left, strength, right = torch.linalg.svd(target)
        attention.projection.weight.copy_(left * strength.sqrt())
        value.copy_(right * strength.sqrt()[:, None])


class Trainer(nn.Module):
    """The model with its auxiliary heads, and the loss of one batch."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.model = BlipForConditionalGeneration(build_config(len(tokenizer)))
        initialize_vision(self.model.vision_model)
        self.heads = PatchHeads()
        self._tokenizer = tokenizer

    def forward(self, batch: Batch, *, with_captions: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the captioning (nats per token; 0 unless ``with_captions``) and auxiliary loss."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = self.model.vision_model(batch.images).last_hidden_state
            auxiliary = self.heads(states, batch)
        captioning = self._caption_loss(states, batch) if with_captions else torch.zeros(())
        return captioning, auxiliary

    def _caption_loss(self, states: torch.Tensor, batch: Batch) -> torch.Tensor:
        tokens = self._tokenizer(
            [caption(scene) for scene in batch.scenes], return_tensors="pt", padding=True
        )
        labels = tokens.input_ids.masked_fill(tokens.attention_mask == 0, _IGNORED)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self.model.text_decoder(
                input_ids=tokens.input_ids,
                attention_mask=tokens.attention_mask,
                encoder_hidden_states=states,
            ).logits
        return functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=_IGNORED
        )


def save_blip(
    model: BlipForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, directory: Path
) -> None:
    """Write a transformers directory with float16 weights and greedy, bounded generation."""
    model.generation_config = GenerationConfig(
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
        max_new_tokens=CONTEXT_LENGTH - 2,
        do_sample=False,
        num_beams=1,
    )
    weights = {
        name: value.half() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    model.save_pretrained(directory, state_dict=weights)
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    images = BlipImageProcessorPil(size=size, image_mean=list(MEAN), image_std=list(STD))
    BlipProcessor(images, tokenizer).save_pretrained(directory)


def main() -> None:
    """Run the command line."""
    options = parse_options(__doc__, batch_size=128, steps=4000, learning_rate=1e-3)
    torch.set_num_threads(options.threads)
    tokenizer = train_tokenizer()
    trainer = Trainer(tokenizer, options.seed).train()
    run = TrainingRun(trainer, build_optimizer(trainer, options.learning_rate), options)
    run.resume()
    batches = SceneBatches(options.data, options.batch_size, options.seed)
    for bar in run.iterate_steps():
        batch = batches.make_batch(run.step, IMAGE_SIZE)
        # Captions teach little before the patches are recognised, and they take time.
        with_captions = run.progress > _CAPTION_FROM or run.step % 3 == 0
        captioning, auxiliary = trainer(batch, with_captions=with_captions)
        run.update(captioning + (1 - 0.7 * run.progress) * auxiliary)
        bar.set_postfix_str(f"step {run.step} caption {captioning:.3f} auxiliary {auxiliary:.3f}")
    save_blip(trainer.model.eval(), tokenizer, options.out)


if __name__ == "__main__":
    main()
