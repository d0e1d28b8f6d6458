"""Transformer layers that use the fastest kernels of the device.

On a CPU, bf16 weights are packed once into the layout of oneDNN's kernels, through the operators
that torch.compile uses for frozen models. Without that, every call packs them again, which costs a
text decoder's small batches more than the product itself.
"""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

QUICK_GELU_ALPHA = 1.702  # quick GELU: x · sigmoid(1.702 x), used to train OpenAI's CLIP
_PACKING_ROWS_HINT = 1024  # for the layout; inputs may have any number of rows
_MAX_SCORES = 1024**2  # attention scores held at once: 2 MB in bf16
Activation = Literal["none", "gelu", "swish"]  # GELU with erf; swish: x · sigmoid(x)


class PackedLinear(nn.Module):
    """A frozen linear layer with its activation: [..., k] → [..., n]."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, activation: Activation = "none"
    ) -> None:
        super().__init__()
        self.activation = activation
        self.is_packed = weight.device.type == "cpu" and weight.dtype == torch.bfloat16
        if self.is_packed:
            weight = torch.ops.mkldnn._reorder_linear_weight(
                weight.detach().contiguous(), _PACKING_ROWS_HINT
            )
        self.weight = weight
        self.bias = bias

    @classmethod
    def from_linear(cls, linear: nn.Linear, activation: Activation = "none") -> "PackedLinear":
        bias = None if linear.bias is None else linear.bias.detach()
        return cls(linear.weight.detach(), bias, activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.is_packed:
            algorithm = "none" if self.activation == "gelu" else ""
            return torch.ops.mkldnn._linear_pointwise(
                x, self.weight, self.bias, self.activation, [], algorithm
            )
        y = functional.linear(x, self.weight, self.bias)
        if self.activation == "gelu":
            return functional.gelu(y)
        return functional.silu(y) if self.activation == "swish" else y


class TransformerBlock(nn.Module):
    """Pre-norm attention and MLP with residual connections: [n, tokens, width] → the same."""

    def __init__(
        self,
        *,
        norms: tuple[nn.Module, nn.Module],
        qkv: tuple[torch.Tensor, torch.Tensor],
        out: nn.Linear,
        mlp: tuple[nn.Linear, nn.Linear],
        quick_gelu: bool,
        heads: int,
    ) -> None:
        """qkv: weight [3 · width, width] and bias of queries, keys and values, in this order.
        quick_gelu: the MLP's activation is quick GELU instead of GELU."""
        super().__init__()
        self.heads = heads
        weight, bias = (tensor.detach() for tensor in qkv)
        self.norm_1, self.norm_2 = (convert_norm(norm, weight.dtype) for norm in norms)
        width = weight.shape[1]
        self.query = PackedLinear(weight[:width], bias[:width])
        self.key_value = PackedLinear(weight[width:], bias[width:])
        self.out = PackedLinear.from_linear(out)
        up, down = mlp
        if quick_gelu:  # x · sigmoid(αx) = swish(αx) / α, which is fused into the product
            alpha = QUICK_GELU_ALPHA
            self.up = PackedLinear(up.weight.detach() * alpha, up.bias.detach() * alpha, "swish")
            self.down = PackedLinear(down.weight.detach() / alpha, down.bias.detach())
        else:
            self.up = PackedLinear.from_linear(up, "gelu")
            self.down = PackedLinear.from_linear(down)

    def forward(
        self, x: torch.Tensor, *, causal: bool = False, cls_only: bool = False
    ) -> torch.Tensor:
        """cls_only: compute the first token alone, [n, 1, width], because a pooled tower reads
        nothing else of its last block."""
        y = self.norm_1(x)
        key, value = self.key_value(y).chunk(2, dim=-1)
        if cls_only:
            x, y = x[:, :1], y[:, :1]
            mixed = CachedKeyValue(key, value, self.heads).attend(self.query(y))
        else:
            mixed = attention(self.query(y), key, value, self.heads, causal=causal)
        x = x + self.out(mixed)
        return x + self.down(self.up(self.norm_2(x)))


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    heads: int,
    *,
    causal: bool = False,
) -> torch.Tensor:
    """Scaled dot-product attention: query [n, q, width], key and value [n, k, width] → query's."""
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and not causal:
        mixed = _chunked_attention(query, key, value)
    else:
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    return mixed.transpose(1, 2).flatten(2)


def _chunked_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Compute attention for a few heads at a time, so that their scores stay in the cache.

    torch's fused kernel takes 1.6 times as long for 577 tokens (torch 2.13, AVX-512, no AMX).
    """
    n, heads, tokens, size = query.shape
    query = (query * size**-0.5).flatten(0, 1)
    key, value = key.transpose(-1, -2).flatten(0, 1), value.flatten(0, 1)
    step = max(1, _MAX_SCORES // (tokens * key.shape[-1]))
    mixed = torch.empty_like(query)
    for start in range(0, n * heads, step):
        chunk = slice(start, start + step)
        scores = torch.bmm(query[chunk], key[chunk]).softmax(dim=-1)
        torch.bmm(scores, value[chunk], out=mixed[chunk])
    return mixed.unflatten(0, (n, heads))


class CachedKeyValue:
    """Keys and values in the layout of a matrix-vector product, for single queries."""

    def __init__(self, key: torch.Tensor, value: torch.Tensor, heads: int) -> None:
        """key, value: [n, k, width]."""
        n, tokens = key.shape[:2]
        key, value = (x.view(n, tokens, heads, -1) for x in (key, value))
        self.key = key.transpose(1, 2).reshape(n * heads, tokens, -1)
        self.value = value.permute(0, 2, 3, 1).reshape(n * heads, -1, tokens)

    def attend(self, query: torch.Tensor) -> torch.Tensor:
        """Attend with one query per item: [n, 1, width] → [n, 1, width]."""
        column = query.reshape(len(self.key), -1, 1)
        scores = torch.bmm(self.key, column * column.shape[1] ** -0.5).softmax(dim=1)
        return torch.bmm(self.value, scores).view(query.shape)


def convert_norm(norm: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a layer norm with inputs and outputs in `dtype`; torch computes it in float32."""
    if isinstance(norm, nn.Identity):
        return norm
    converted = nn.LayerNorm(norm.normalized_shape, eps=norm.eps, device=norm.weight.device)
    converted.weight.data, converted.bias.data = norm.weight.detach(), norm.bias.detach()
    return converted.to(dtype).requires_grad_(False)


def pack_linears(module: nn.Module) -> None:
    """Replace every nn.Linear of `module` by a PackedLinear, one at a time to save memory."""
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, PackedLinear.from_linear(child))
        else:
            pack_linears(child)
