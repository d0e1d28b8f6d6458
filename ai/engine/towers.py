"""Vision and text towers over `ai.engine.layers`, made out of open_clip's and transformers' ones.

They compute what the originals compute (arXiv:2010.11929, arXiv:2103.00020), with the normalisation
of pixels folded into the patch embedding, and without what nobody reads: the last block's other
tokens in a pooled tower, and a causal text's padding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from open_clip.model import CLIP
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
from torch import nn

from ai.engine.layers import PackedLinear, TransformerBlock, convert_norm

PIXEL_OFFSET = (
    128.0  # taken off a byte before it is computed with: exact in bf16, and nearly centred
)


class VisionTower(nn.Module):
    """uint8 [n, side, side, 3] → [n, width], pooled and projected, or [n, 1 + patches, width].

    The patches are square, and the side is a multiple of theirs.
    """

    def __init__(
        self,
        *,
        patches: nn.Conv2d,
        mean: Sequence[float],
        std: Sequence[float],
        class_token: torch.Tensor,
        positions: torch.Tensor,
        norms: tuple[nn.Module, nn.Module],
        blocks: Sequence[TransformerBlock],
        proj: torch.Tensor | None = None,
        pooled: bool = False,
    ) -> None:
        """positions: [1 + patches, width]; norms: before the blocks and after them."""
        super().__init__()
        self.patch = patches.kernel_size[0]
        dtype = patches.weight.dtype
        self.embed = PackedLinear(*(x.to(dtype) for x in fold_normalization(patches, mean, std)))
        self.start = (class_token + positions[0]).detach().to(dtype)
        self.positions = positions[1:].detach().to(dtype)
        self.norm_pre, self.norm_post = (convert_norm(norm, dtype) for norm in norms)
        self.blocks = nn.ModuleList(blocks)
        self.proj = None if proj is None else nn.Parameter(proj.detach(), requires_grad=False)
        self.pooled = pooled

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        n, side, p = len(pixels), pixels.shape[1], self.patch
        grid = side // p
        x = pixels.view(n, grid, p, grid, p, 3).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(n, grid * grid, -1).to(self.positions.dtype).sub_(PIXEL_OFFSET)
        x = self.embed(x).add_(self.positions)
        x = self.norm_pre(torch.cat([self.start.expand(n, 1, -1), x], dim=1))
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x)
        x = self.norm_post(last(x, first_only=self.pooled))
        if self.pooled:
            x = x[:, 0]
        return x if self.proj is None else x @ self.proj


class NormalizedTower(nn.Module):
    """Any other vision tower behind the same input: uint8 [n, side, side, 3]."""

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
        return self.tower(x.to(self.dtype))


class TextTower(nn.Module):
    """int64 [n, length] → [n, width], as open_clip's CLIP.encode_text."""

    def __init__(self, model: CLIP) -> None:
        super().__init__()
        self.tokens, self.positions = model.token_embedding, model.positional_embedding
        self.blocks = nn.ModuleList(_build_block(block) for block in model.transformer.resblocks)
        self.projection = model.text_projection
        self.norm = convert_norm(model.ln_final, self.projection.dtype)
        self.end = model.text_eos_id if model.text_pool_type == "eos" else None

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        found = tokens if self.end is None else (tokens == self.end).int()
        ends = found.argmax(dim=-1)
        # What comes after a text's end never reaches it: attention looks back only.
        tokens = tokens[:, : int(ends.max()) + 1]
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]
        x = x.to(self.projection.dtype)
        for block in self.blocks:
            x = block(x, causal=True)
        x = self.norm(x[torch.arange(len(x), device=x.device), ends])
        return x @ self.projection


def build_clip_vision(
    visual: nn.Module, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
) -> nn.Module:
    """open_clip's vision tower behind one input, fast when it is a plain vision transformer."""
    if not _is_plain_vision(visual):
        return NormalizedTower(visual, mean, std, dtype)
    return VisionTower(
        patches=visual.conv1,
        mean=mean,
        std=std,
        class_token=visual.class_embedding,
        positions=visual.positional_embedding,
        norms=(visual.ln_pre, visual.ln_post),
        blocks=[_build_block(block) for block in visual.transformer.resblocks],
        proj=visual.proj,
        pooled=True,
    )


def build_clip_text(model: Any) -> nn.Module | None:
    """The text tower of open_clip's plain CLIP; None for any other."""
    plain = (
        type(model) is CLIP
        and model.text_pool_type in ("argmax", "eos")
        and isinstance(model.text_projection, nn.Parameter)
        and all(_is_plain_block(block) for block in model.transformer.resblocks)
    )
    return TextTower(model) if plain else None


def build_blip_vision(model: Any, mean: Sequence[float], std: Sequence[float]) -> VisionTower:
    """transformers' BlipVisionModel."""
    layers = model.encoder.layers
    if (activation := model.config.hidden_act) != "gelu":
        raise ValueError(f"its vision tower has the activation {activation!r}, not 'gelu'")
    return VisionTower(
        patches=model.embeddings.patch_embedding,
        mean=mean,
        std=std,
        class_token=model.embeddings.class_embedding[0, 0],
        positions=model.embeddings.position_embedding[0],
        norms=(nn.Identity(), model.post_layernorm),
        blocks=[
            TransformerBlock(
                norms=(layer.layer_norm1, layer.layer_norm2),
                qkv=layer.self_attn.qkv,
                out=layer.self_attn.projection,
                mlp=(layer.mlp.fc1, layer.mlp.fc2),
                quick=False,
                heads=layer.self_attn.num_heads,
            )
            for layer in layers
        ],
    )


def fold_normalization(
    conv: nn.Conv2d, mean: Sequence[float], std: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The convolution as a product, with (x / 255 - mean) / std in front of it folded in: what
    [..., patch · patch · 3] of bytes less MIDDLE are multiplied with and what is added, float32."""
    weight = conv.weight.detach().float()
    means = torch.tensor(mean, device=weight.device)
    stds = torch.tensor(std, device=weight.device)
    bias = torch.einsum("dchw,c->d", weight, (PIXEL_OFFSET / 255 - means) / stds)
    if conv.bias is not None:
        bias += conv.bias.detach().float()
    return (weight / (255 * stds[None, :, None, None])).permute(0, 2, 3, 1).flatten(1), bias


def _build_block(block: ResidualAttentionBlock) -> TransformerBlock:
    attention = block.attn
    qkv = nn.Linear(1, 1, device="meta")
    qkv.in_features = attention.embed_dim
    qkv.weight, qkv.bias = attention.in_proj_weight, attention.in_proj_bias
    return TransformerBlock(
        norms=(block.ln_1, block.ln_2),
        qkv=qkv,
        out=attention.out_proj,
        mlp=(block.mlp.c_fc, block.mlp.c_proj),
        quick=isinstance(block.mlp.gelu, QuickGELU),
        heads=attention.num_heads,
    )


def _is_plain_vision(visual: nn.Module) -> bool:
    return (
        type(visual) is VisionTransformer
        and visual.attn_pool is None
        and visual.pool_type == "tok"
        and not visual.final_ln_after_pool
        and not visual.output_tokens
        and isinstance(visual.patch_dropout, nn.Identity)
        and isinstance(visual.proj, nn.Parameter)
        and len(set(visual.patch_size)) == len(set(visual.image_size)) == 1
        and all(_is_plain_block(block) for block in visual.transformer.resblocks)
    )


def _is_plain_block(block: nn.Module) -> bool:
    return (
        type(block) is ResidualAttentionBlock
        and type(block.attn) is nn.MultiheadAttention
        and block.attn.in_proj_weight is not None
        and isinstance(block.ls_1, nn.Identity)
        and isinstance(block.ls_2, nn.Identity)
        and isinstance(block.mlp.gelu, nn.GELU | QuickGELU)
    )
