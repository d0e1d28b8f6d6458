"""BLIP's text decoder (arXiv:2201.12086): greedy over layers of our own, or beams by transformers.

Greedy is what transformers' `generate` computes for the same weights, less what it does between
two words: here a step is the products alone. Keys and values of the words are kept; those of the
image are never computed: for a single query it is cheaper to take the projections of keys to the
query and of values to the result (the "absorbed" form of DeepSeek-V2, arXiv:2405.04434, 2.1.2).
"""

from typing import Any

import torch
from torch import nn

from ai.engine.layers import PackedLinear, attention, pack_linears

# Words after which it is asked whether all texts have ended: on CUDA the answer is waited for.
EOS_CHECK_INTERVAL = {"cpu": 1, "cuda": 4}


class _DecoderLayer(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        attention, cross = layer.attention, layer.crossattention
        inputs = [attention.self.query, attention.self.key, attention.self.value]
        self.heads = attention.self.num_attention_heads
        self.qkv = PackedLinear(*_stack(inputs))
        self.out, self.norm = (
            PackedLinear.from_linear(attention.output.dense),
            attention.output.LayerNorm,
        )
        self.cross, self.cross_norm = _CrossAttention(cross), cross.output.LayerNorm
        self.up = PackedLinear.from_linear(layer.intermediate.dense, "gelu")
        self.down, self.mlp_norm = (
            PackedLinear.from_linear(layer.output.dense),
            layer.output.LayerNorm,
        )

    def forward(
        self, x: torch.Tensor, kept: torch.Tensor, step: int, states: torch.Tensor
    ) -> torch.Tensor:
        """x: [n, 1, width]; kept: keys and values of the words, [2, n, steps, width], written at
        `step`; states: the image's, [n, tokens, width]."""
        query, kept[0, :, step : step + 1], kept[1, :, step : step + 1] = self.qkv(x).chunk(3, -1)
        keys, values = kept[:, :, : step + 1]
        x = self.norm(x + self.out(attention(query, keys, values, self.heads)))
        x = self.cross_norm(x + self.cross(x, states))
        return self.mlp_norm(x + self.down(self.up(x)))


class _CrossAttention(nn.Module):
    """Attention of one word to the image's states: [n, 1, width] → [n, 1, width].

    q · (K s + k) is (Kᵀ q) · s and a term that is the same for all tokens, which the softmax takes
    out; the weights sum to one, so that the values' bias becomes a part of the output's.
    """

    def __init__(self, cross: Any) -> None:
        super().__init__()
        attention, out = cross.self, cross.output.dense
        self.heads = attention.num_attention_heads
        self.query = PackedLinear.from_linear(attention.query)
        key, value = (x.weight.detach() for x in (attention.key, attention.value))
        self.key = key.unflatten(0, (self.heads, -1))  # [heads, size, width]
        self.value = value.unflatten(0, (self.heads, -1)).mT.contiguous()  # [heads, width, size]
        bias = out.weight.float() @ attention.value.bias.float() + out.bias.float()
        self.out = PackedLinear(out.weight.detach(), bias.detach().to(out.weight.dtype))

    def forward(self, x: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        query = self.query(x).unflatten(-1, (self.heads, -1))[:, 0].transpose(0, 1)
        query = torch.bmm(query * query.shape[-1] ** -0.5, self.key).transpose(0, 1)
        scores = torch.bmm(query, states.mT).softmax(dim=-1)  # [n, heads, tokens]
        found = torch.bmm(torch.bmm(scores, states).transpose(0, 1), self.value)
        return self.out(found.transpose(0, 1).reshape(x.shape))


class GreedyDecoder(nn.Module):
    """Made out of transformers' BlipTextLMHeadModel, which loses its layers by it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        config, bert, head = model.config, model.bert, model.cls.predictions
        if config.hidden_act != "gelu":
            raise ValueError(f"its decoder has the activation {config.hidden_act!r}, not 'gelu'")
        self.start, self.end = config.bos_token_id, config.sep_token_id
        self.longest = config.max_position_embeddings - 1
        self.words = bert.embeddings.word_embeddings
        self.positions = bert.embeddings.position_embeddings
        self.norm = bert.embeddings.LayerNorm
        self.layers = nn.ModuleList()
        for index, layer in enumerate(bert.encoder.layer):
            self.layers.append(_DecoderLayer(layer))
            bert.encoder.layer[index] = nn.Identity()  # its weights are in another layout now
        self.transform = PackedLinear.from_linear(head.transform.dense, "gelu")
        self.transform_norm = head.transform.LayerNorm
        self.head = PackedLinear.from_linear(head.decoder)

    def generate(
        self, states: torch.Tensor, *, max_new_tokens: int, min_new_tokens: int = 0
    ) -> list[list[int]]:
        """The most probable word piece after another, until the end: one list per image.

        states: the vision tower's, [n, tokens, width]. The lists hold no special tokens.
        """
        n, steps = len(states), min(max_new_tokens, self.longest)
        width = self.words.embedding_dim
        kept = states.new_empty(len(self.layers), 2, n, steps, width)
        token = torch.full((n,), self.start, device=states.device)
        open_ = torch.ones(n, dtype=torch.bool, device=states.device)
        found = []
        for step in range(steps):
            x = self.norm(self.words(token[:, None]) + self.positions.weight[step])
            for layer, keys_and_values in zip(self.layers, kept, strict=True):
                x = layer(x, keys_and_values, step, states)
            scores = self.head(self.transform_norm(self.transform(x[:, 0])))
            if step < min_new_tokens:
                scores[:, self.end] = -torch.inf
            token = scores.argmax(dim=-1)
            open_ &= token != self.end
            if (step + 1) % EOS_CHECK_INTERVAL[states.device.type] == 0 and not open_.any():
                break
            found.append(torch.where(open_, token, self.end))
        if not found:
            return [[] for _ in range(n)]
        rows = torch.stack(found, dim=1).tolist()
        return [[token for token in row if token != self.end] for row in rows]


class BeamDecoder(nn.Module):
    """transformers' own beam search: `beams` times the work of a step, and its own overhead."""

    def __init__(self, model: Any, beams: int) -> None:
        super().__init__()
        pack_linears(model)
        self.model, self.beams = model, beams

    def generate(
        self, states: torch.Tensor, *, max_new_tokens: int, min_new_tokens: int = 0
    ) -> list[list[int]]:
        """As `GreedyDecoder.generate`, the most probable of `beams` texts."""
        config = self.model.config
        start = torch.full((len(states), 1), config.bos_token_id, device=states.device)
        rows = self.model.generate(
            input_ids=start,
            encoder_hidden_states=states,
            encoder_attention_mask=states.new_ones(states.shape[:2], dtype=torch.long),
            eos_token_id=config.sep_token_id,
            pad_token_id=config.pad_token_id,
            num_beams=self.beams,
            do_sample=False,
            max_new_tokens=max_new_tokens,
            min_new_tokens=min_new_tokens,
        )
        special = {config.bos_token_id, config.sep_token_id, config.pad_token_id}
        return [[token for token in row if token not in special] for row in rows.tolist()]


def _stack(linears: list[nn.Linear]) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.cat([linear.weight.detach() for linear in linears]),
        torch.cat([linear.bias.detach() for linear in linears]),
    )
