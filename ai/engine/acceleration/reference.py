"""The networks of open_clip and transformers behind the interface of `ai.engine.acceleration`.

They compute whatever has no accelerated form, and are what the accelerated forms are compared with.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import BlipTextLMHeadModel

from ai.engine.acceleration.generated import GeneratedTokens
from ai.repetition import NO_REPEAT_NGRAM


class NormalizedTower(nn.Module):
    """A vision tower behind a normalization of pixels: uint8 [n, side, side, 3] → the tower's."""

    def __init__(
        self, tower: nn.Module, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.tower, self.dtype = tower, dtype
        self.mean = 255 * torch.tensor(mean)[:, None, None]
        self.std = 255 * torch.tensor(std)[:, None, None]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = pixels.permute(0, 3, 1, 2).float()
        x = (x - self.mean.to(x.device)) / self.std.to(x.device)
        output = self.tower(x.to(self.dtype))
        return output if isinstance(output, torch.Tensor) else output.last_hidden_state


class GenerateDecoder(nn.Module):
    """transformers' `generate`: greedy for one beam, beam search for more."""

    def __init__(self, network: BlipTextLMHeadModel, beams: int) -> None:
        super().__init__()
        self.network, self.beams = network, beams

    def generate(
        self, encoder_states: torch.Tensor, *, max_new_tokens: int, min_new_tokens: int = 0
    ) -> list[GeneratedTokens]:
        """Return the tokens of the most probable text per image, without repeated 3-grams.

        encoder_states: of the vision tower, [n, tokens, width].
        """
        config = self.network.config
        n, device = len(encoder_states), encoder_states.device
        rows = self.network.generate(
            input_ids=torch.full((n, 1), config.bos_token_id, device=device),
            encoder_hidden_states=encoder_states,
            encoder_attention_mask=encoder_states.new_ones(
                encoder_states.shape[:2], dtype=torch.long
            ),
            eos_token_id=config.sep_token_id,
            pad_token_id=config.pad_token_id,
            num_beams=self.beams,
            do_sample=False,
            max_new_tokens=max_new_tokens,
            min_new_tokens=min_new_tokens,
            no_repeat_ngram_size=NO_REPEAT_NGRAM,
        )
        special = {config.bos_token_id, config.sep_token_id, config.pad_token_id}
        texts = [[token for token in row if token not in special] for row in rows.tolist()]
        probabilities = self._mean_probabilities(rows, encoder_states)
        return [GeneratedTokens(*pair) for pair in zip(texts, probabilities, strict=True)]

    def _mean_probabilities(self, rows: torch.Tensor, encoder_states: torch.Tensor) -> list[float]:
        """Return the geometric means of the tokens' probabilities, by one pass over whole texts.

        rows: as generated, [n, length]; what follows the first end is padding.
        """
        inputs, targets = rows[:, :-1], rows[:, 1:]
        ends = (targets == self.network.config.sep_token_id).long()
        counted = ends.cumsum(dim=1) == ends  # up to the first end
        scores = self.network(
            input_ids=inputs,
            attention_mask=torch.ones_like(inputs),  # of causal attention: padding comes last
            encoder_hidden_states=encoder_states,
            use_cache=False,
        ).logits
        losses = cross_entropy(scores.float().mT, targets, reduction="none")  # -log(probability)
        means = (losses * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
        return (-means).exp().tolist()
