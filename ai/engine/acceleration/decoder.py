"""BLIP's text decoder (arXiv:2201.12086) with greedy decoding.

It computes the same as transformers' `generate` with the same weights, without the work that
`generate` does between two tokens. Keys and values of the text are cached; those of the image are
never computed: for a single query it is cheaper to apply the projection of keys to the query and
that of values to the result (the "absorbed" form of DeepSeek-V2, arXiv:2405.04434, 2.1.2).
"""

import torch
from torch import nn
from transformers import BlipTextLMHeadModel
from transformers.models.blip.modeling_blip_text import BlipTextAttention, BlipTextLayer

from ai.engine.acceleration.generated import GeneratedTokens, ban_repeated_ngrams
from ai.engine.acceleration.layers import PackedLinear, attention
from ai.repetition import NO_REPEAT_NGRAM

# Tokens between two checks whether all texts have ended; on CUDA, a check waits for the device.
EOS_CHECK_INTERVAL = {"cpu": 1, "cuda": 4}


class GreedyDecoder(nn.Module):
    """Built from transformers' BlipTextLMHeadModel, whose layers it takes away to save memory."""

    def __init__(self, network: BlipTextLMHeadModel) -> None:
        super().__init__()
        config, bert, head = network.config, network.bert, network.cls.predictions
        self.start, self.end = config.bos_token_id, config.sep_token_id
        self.max_length = config.max_position_embeddings - 1
        self.token_embedding = bert.embeddings.word_embeddings
        self.positions = bert.embeddings.position_embeddings
        self.norm = bert.embeddings.LayerNorm
        self.layers = nn.ModuleList()
        for index, layer in enumerate(bert.encoder.layer):
            self.layers.append(_DecoderLayer(layer))
            bert.encoder.layer[index] = nn.Identity()  # the weights now exist in another layout
        self.transform = PackedLinear.from_linear(head.transform.dense, "gelu")
        self.transform_norm = head.transform.LayerNorm
        self.head = PackedLinear.from_linear(head.decoder)

    def generate(
        self, encoder_states: torch.Tensor, *, max_new_tokens: int, min_new_tokens: int = 0
    ) -> list[GeneratedTokens]:
        """Return the tokens of one text per image, without repeated 3-grams.

        encoder_states: of the vision tower, [n, tokens, width].
        """
        n, steps = len(encoder_states), min(max_new_tokens, self.max_length)
        device, width = encoder_states.device, self.token_embedding.embedding_dim
        kv_cache = encoder_states.new_empty(len(self.layers), 2, n, steps, width)
        history = torch.full((n, steps + 1), self.start, device=device)
        unfinished = torch.ones(n, dtype=torch.bool, device=device)
        log_sums, lengths = torch.zeros(n, device=device), torch.zeros(n, device=device)
        length = 1
        for step in range(steps):
            x = self.norm(
                self.token_embedding(history[:, step, None]) + self.positions.weight[step]
            )
            for layer, layer_cache in zip(self.layers, kv_cache, strict=True):
                x = layer(x, layer_cache, step, encoder_states)
            scores = self.head(self.transform_norm(self.transform(x[:, 0])))
            total = scores.float().logsumexp(dim=-1)  # before any ban
            ban_repeated_ngrams(scores, history[:, : step + 1], NO_REPEAT_NGRAM)
            if step < min_new_tokens:
                scores[:, self.end] = -torch.inf
            best, token = scores.max(dim=-1)
            log_sums += torch.where(unfinished, best - total, 0)
            lengths += unfinished
            unfinished &= token != self.end
            if (step + 1) % EOS_CHECK_INTERVAL[device.type] == 0 and not unfinished.any():
                break
            history[:, step + 1] = torch.where(unfinished, token, self.end)
            length = step + 2
        means = (log_sums / lengths.clamp(min=1)).exp().tolist()
        return [
            GeneratedTokens([token for token in row if token != self.end], mean)
            for row, mean in zip(history[:, 1:length].tolist(), means, strict=True)
        ]


class _DecoderLayer(nn.Module):
    def __init__(self, layer: BlipTextLayer) -> None:
        super().__init__()
        attention, cross = layer.attention, layer.crossattention
        inputs = [attention.self.query, attention.self.key, attention.self.value]
        self.heads = attention.self.num_attention_heads
        self.qkv = PackedLinear(
            torch.cat([linear.weight.detach() for linear in inputs]),
            torch.cat([linear.bias.detach() for linear in inputs]),
        )
        self.out = PackedLinear.from_linear(attention.output.dense)
        self.norm = attention.output.LayerNorm
        self.cross, self.cross_norm = _CrossAttention(cross), cross.output.LayerNorm
        self.up = PackedLinear.from_linear(layer.intermediate.dense, "gelu")
        self.down = PackedLinear.from_linear(layer.output.dense)
        self.mlp_norm = layer.output.LayerNorm

    def forward(
        self, x: torch.Tensor, cache: torch.Tensor, step: int, encoder_states: torch.Tensor
    ) -> torch.Tensor:
        """Compute one token per text: [n, 1, width] → the same.

        cache: keys and values of the texts, [2, n, steps, width]; position `step` is written.
        encoder_states: of the image, [n, tokens, width].
        """
        query, cache[0, :, step : step + 1], cache[1, :, step : step + 1] = self.qkv(x).chunk(3, -1)
        keys, values = cache[:, :, : step + 1]
        x = self.norm(x + self.out(attention(query, keys, values, self.heads)))
        x = self.cross_norm(x + self.cross(x, encoder_states))
        return self.mlp_norm(x + self.down(self.up(x)))


class _CrossAttention(nn.Module):
    """Attention of one token to the image's states: [n, 1, width] → [n, 1, width].

    q · (K s + k) is (Kᵀ q) · s plus a term that is the same for all tokens, which the softmax
    cancels. The attention weights sum to one, so the values' bias becomes part of the output's.
    """

    def __init__(self, cross: BlipTextAttention) -> None:
        super().__init__()
        attention, out = cross.self, cross.output.dense
        self.heads = attention.num_attention_heads
        self.query = PackedLinear.from_linear(attention.query)
        key, value = (x.weight.detach() for x in (attention.key, attention.value))
        self.key = key.unflatten(0, (self.heads, -1))  # [heads, size, width]
        self.value = value.unflatten(0, (self.heads, -1)).mT.contiguous()  # [heads, width, size]
        bias = out.weight.float() @ attention.value.bias.float() + out.bias.float()
        self.out = PackedLinear(out.weight.detach(), bias.detach().to(out.weight.dtype))

    def forward(self, x: torch.Tensor, encoder_states: torch.Tensor) -> torch.Tensor:
        query = self.query(x).unflatten(-1, (self.heads, -1))[:, 0].transpose(0, 1)
        query = torch.bmm(query * query.shape[-1] ** -0.5, self.key).transpose(0, 1)
        scores = torch.bmm(query, encoder_states.mT).softmax(dim=-1)  # [n, heads, tokens]
        mixed = torch.bmm(torch.bmm(scores, encoder_states).transpose(0, 1), self.value)
        return self.out(mixed.transpose(0, 1).reshape(x.shape))
