"""Transformer layers as fast as the device has them.

On a CPU, weights in bf16 are laid out once as oneDNN's kernels read them (the operators that
torch.compile uses for frozen models): without that, each call lays them out again, which costs a
text decoder's small batches more than the product itself.
"""

import torch
from torch import nn
from torch.nn import functional

_PACKING_ROWS_HINT = 1024  # rows; a hint for the layout, any number of rows may come
_MAX_SCORES = 1024**2  # of attention at once; 2 MB in bf16
QUICK_GELU_ALPHA = 1.702  # quick GELU: x · sigmoid(1.702 x), what OpenAI's CLIP was trained with


class PackedLinear(nn.Module):
    """A frozen linear layer and what follows it: [..., k] → [..., n].

    activation: "none", "gelu" (erf) or "swish" (x · sigmoid(x)).
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str = "none"
    ) -> None:
        super().__init__()
        self.activation = activation
        self.packed = weight.device.type == "cpu" and weight.dtype == torch.bfloat16
        if self.packed:
            weight = torch.ops.mkldnn._reorder_linear_weight(
                weight.detach().contiguous(), _PACKING_ROWS_HINT
            )
        self.weight = weight
        self.bias = bias

    @classmethod
    def from_linear(cls, linear: nn.Linear, activation: str = "none") -> "PackedLinear":
        return cls(linear.weight.detach(), _detach(linear.bias), activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.packed:
            algorithm = "none" if self.activation == "gelu" else ""
            return torch.ops.mkldnn._linear_pointwise(
                x, self.weight, self.bias, self.activation, [], algorithm
            )
        y = functional.linear(x, self.weight, self.bias)
        if self.activation == "gelu":
            return functional.gelu(y)
        return functional.silu(y) if self.activation == "swish" else y


class TransformerBlock(nn.Module):
    """Pre-norm attention and MLP, each beside a residual: [n, tokens, width] → the same."""

    def __init__(
        self,
        *,
        norms: tuple[nn.Module, nn.Module],
        qkv: nn.Linear,
        out: nn.Linear,
        mlp: tuple[nn.Linear, nn.Linear],
        quick: bool,
        heads: int,
    ) -> None:
        """`qkv` has its outputs in that order; `quick`: the MLP has quick GELU, else GELU."""
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = (convert_norm(norm, qkv.weight.dtype) for norm in norms)
        width = qkv.in_features
        weight, bias = qkv.weight.detach(), qkv.bias.detach()
        self.query = PackedLinear(weight[:width], bias[:width])
        self.key_value = PackedLinear(weight[width:], bias[width:])
        self.out = PackedLinear.from_linear(out)
        up, down = mlp
        if quick:  # x · sigmoid(q x) = swish(q x) / q, which is one kernel with the product
            self.up = PackedLinear(
                up.weight.detach() * QUICK_GELU_ALPHA, up.bias.detach() * QUICK_GELU_ALPHA, "swish"
            )
            self.down = PackedLinear(down.weight.detach() / QUICK_GELU_ALPHA, down.bias.detach())
        else:
            self.up, self.down = (
                PackedLinear.from_linear(up, "gelu"),
                PackedLinear.from_linear(down),
            )

    def forward(
        self, x: torch.Tensor, *, causal: bool = False, first_only: bool = False
    ) -> torch.Tensor:
        """`first_only`: the first token's output alone, [n, 1, width]: all that a pooled tower
        reads of its last block."""
        y = self.norm_1(x)
        key, value = self.key_value(y).chunk(2, dim=-1)
        if first_only:
            x, y = x[:, :1], y[:, :1]
            found = CachedKeyValue(key, value, self.heads).attend(self.query(y))
        else:
            found = attention(self.query(y), key, value, self.heads, causal=causal)
        x = x + self.out(found)
        return x + self.down(self.up(self.norm_2(x)))


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    heads: int,
    *,
    causal: bool = False,
) -> torch.Tensor:
    """Scaled dot-product attention: [n, q, width] and [n, k, width] twice → [n, q, width]."""
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and not causal:
        found = _chunked_attention(query, key, value)
    else:
        found = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    return found.transpose(1, 2).flatten(2)


def _chunked_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """torch's fused kernel takes 1.6 times as long for 577 tokens (torch 2.13, AVX-512, no AMX).
    A few heads at a time, so that their scores stay in the cache and in memory that is at hand."""
    n, heads, tokens, size = query.shape
    query = (query * size**-0.5).flatten(0, 1)
    key, value = key.transpose(-1, -2).flatten(0, 1), value.flatten(0, 1)
    step = max(1, _MAX_SCORES // (tokens * key.shape[-1]))
    found = torch.empty_like(query)
    for start in range(0, n * heads, step):
        some = slice(start, start + step)
        scores = torch.bmm(query[some], key[some]).softmax(dim=-1)
        torch.bmm(scores, value[some], out=found[some])
    return found.unflatten(0, (n, heads))


class CachedKeyValue:
    """Keys and values that single queries come back to, laid out for a product with a column."""

    def __init__(self, key: torch.Tensor, value: torch.Tensor, heads: int) -> None:
        """key, value: [n, k, width]."""
        self.heads = heads
        n, tokens = key.shape[:2]
        key, value = (x.view(n, tokens, heads, -1) for x in (key, value))
        self.key = key.transpose(1, 2).reshape(n * heads, tokens, -1)
        self.value = value.permute(0, 2, 3, 1).reshape(n * heads, -1, tokens)

    def attend(self, query: torch.Tensor) -> torch.Tensor:
        """[n, 1, width] → [n, 1, width]."""
        column = query.reshape(len(self.key), -1, 1)
        scores = torch.bmm(self.key, column * column.shape[1] ** -0.5).softmax(dim=1)
        return torch.bmm(self.value, scores).view(query.shape)


def convert_norm(norm: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A layer norm that takes and gives `dtype`; inside it, torch computes in float32 anyhow."""
    if isinstance(norm, nn.Identity):
        return norm
    found = nn.LayerNorm(norm.normalized_shape, eps=norm.eps, device=norm.weight.device)
    found.weight.data, found.bias.data = norm.weight.detach(), norm.bias.detach()
    return found.to(dtype).requires_grad_(False)


def pack_linears(module: nn.Module) -> None:
    """Replaces every nn.Linear below `module` by a Dense, one at a time."""
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, PackedLinear.from_linear(child))
        else:
            pack_linears(child)


def _detach(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.detach()
