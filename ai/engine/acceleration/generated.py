"""Texts as a decoder generates them."""

from typing import NamedTuple

import torch


class GeneratedTokens(NamedTuple):
    """One text. tokens: without special ones. probability: geometric mean of those of the tokens
    and of the end if it was reached, 0..1, as the model computed them before any ban.
    """

    tokens: list[int]
    probability: float


def ban_repeated_ngrams(scores: torch.Tensor, tokens: torch.Tensor, size: int) -> None:
    """Set the scores of tokens that would repeat an n-gram of their text to -inf, in place.

    It is `no_repeat_ngram_size` of transformers without its loops on the host. scores:
    [n, vocabulary]. tokens: all so far, with the start, [n, length]. size: 2 or more.
    """
    earlier = tokens.shape[1] - size + 1  # n-grams that are complete
    if earlier < 1:
        return
    windows = tokens.unfold(1, size, 1)  # [n, earlier, size]
    same = (windows[:, :, :-1] == tokens[:, None, earlier:]).all(dim=-1)
    penalties = torch.where(same, -torch.inf, 0.0).to(scores.dtype)
    scores.scatter_add_(1, windows[:, :, -1], penalties)
