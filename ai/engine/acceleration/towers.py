"""Image and text towers of plain vision transformers and plain CLIP, built from their networks.

They compute the same as open_clip's and transformers' (arXiv:2010.11929, arXiv:2103.00020) with the
normalization of pixels folded into the patch embedding, and they skip results that nothing reads:
all tokens but the first in the last block of a pooled tower, and the padding of a causal text.
"""

from collections.abc import Sequence

import torch
from open_clip.model import CLIP
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
from torch import nn
from transformers import BlipVisionModel

from ai.engine.acceleration.layers import PackedLinear, TransformerBlock, convert_norm

# Subtracted from each byte before the patch embedding: exact in bf16, and nearly centers them.
PIXEL_OFFSET = 128.0


class VisionTower(nn.Module):
    """A vision transformer: uint8 [n, side, side, 3] → [n, 1 + patches, width].

    With `cls_only` it returns the projected first token, [n, width]. Patches are square, and the
    side is a multiple of theirs.
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
        cls_only: bool = False,
    ) -> None:
        """positions: [1 + patches, width]. norms: before and after the blocks."""
        super().__init__()
        self.patch = patches.kernel_size[0]
        dtype = patches.weight.dtype
        self.embed = PackedLinear(*(x.to(dtype) for x in fold_normalization(patches, mean, std)))
        self.start = (class_token + positions[0]).detach().to(dtype)
        self.positions = positions[1:].detach().to(dtype)
        self.norm_pre, self.norm_post = (convert_norm(norm, dtype) for norm in norms)
        self.blocks = nn.ModuleList(blocks)
        self.proj = None if proj is None else nn.Parameter(proj.detach(), requires_grad=False)
        self.cls_only = cls_only

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
        x = self.norm_post(last(x, cls_only=self.cls_only))
        if self.cls_only:
            x = x[:, 0]
        return x if self.proj is None else x @ self.proj


class TextTower(nn.Module):
    """open_clip's CLIP.encode_text: int64 [n, length] → [n, width]."""

    def __init__(self, network: CLIP) -> None:
        super().__init__()
        self.token_embedding, self.positions = network.token_embedding, network.positional_embedding
        self.blocks = nn.ModuleList(_build_block(b) for b in network.transformer.resblocks)
        self.projection = network.text_projection
        self.norm = convert_norm(network.ln_final, self.projection.dtype)
        self.end = network.text_eos_id if network.text_pool_type == "eos" else None

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        # Without an end token, the end is the token with the highest number, as in CLIP's paper.
        ends = (tokens if self.end is None else (tokens == self.end).int()).argmax(dim=-1)
        # Attention only looks back, so nothing after the end of the longest text matters.
        tokens = tokens[:, : int(ends.max()) + 1]
        x = self.token_embedding(tokens) + self.positions[: tokens.shape[1]]
        x = x.to(self.projection.dtype)
        for block in self.blocks:
            x = block(x, causal=True)
        x = self.norm(x[torch.arange(len(x), device=x.device), ends])
        return x @ self.projection


def build_clip_vision(
    visual: nn.Module, mean: Sequence[float], std: Sequence[float]
) -> VisionTower | None:
    """Return the tower for open_clip's `visual`; None if it is not a plain vision transformer."""
    if not _is_plain_vision(visual):
        return None
    return VisionTower(
        patches=visual.conv1,
        mean=mean,
        std=std,
        class_token=visual.class_embedding,
        positions=visual.positional_embedding,
        norms=(visual.ln_pre, visual.ln_post),
        blocks=[_build_block(block) for block in visual.transformer.resblocks],
        proj=visual.proj,
        cls_only=True,
    )


def build_clip_text(network: nn.Module) -> TextTower | None:
    """Return the tower for the text half of open_clip's plain CLIP; None for any other network."""
    is_plain = (
        type(network) is CLIP
        and network.text_pool_type in ("argmax", "eos")
        and isinstance(network.text_projection, nn.Parameter)
        and all(_is_plain_block(block) for block in network.transformer.resblocks)
    )
    return TextTower(network) if is_plain else None


def build_blip_vision(
    network: BlipVisionModel, mean: Sequence[float], std: Sequence[float]
) -> VisionTower | None:
    """Return the tower for BLIP's vision model; None if its activation is not GELU."""
    if network.config.hidden_act != "gelu":
        return None
    return VisionTower(
        patches=network.embeddings.patch_embedding,
        mean=mean,
        std=std,
        class_token=network.embeddings.class_embedding[0, 0],
        positions=network.embeddings.position_embedding[0],
        norms=(nn.Identity(), network.post_layernorm),
        blocks=[
            TransformerBlock(
                norms=(layer.layer_norm1, layer.layer_norm2),
                qkv=(layer.self_attn.qkv.weight, layer.self_attn.qkv.bias),
                out=layer.self_attn.projection,
                mlp=(layer.mlp.fc1, layer.mlp.fc2),
                quick_gelu=False,
                heads=layer.self_attn.num_heads,
            )
            for layer in network.encoder.layers
        ],
    )


def fold_normalization(
    conv: nn.Conv2d, mean: Sequence[float], std: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fold (x / 255 - mean) / std into a patch convolution and return it as a linear layer.

    Returns weight and bias in float32 for inputs [..., patch · patch · 3] of bytes minus
    PIXEL_OFFSET.
    """
    weight = conv.weight.detach().float()
    means = torch.tensor(mean, device=weight.device)
    stds = torch.tensor(std, device=weight.device)
    bias = torch.einsum("dchw,c->d", weight, (PIXEL_OFFSET / 255 - means) / stds)
    if conv.bias is not None:
        bias += conv.bias.detach().float()
    return (weight / (255 * stds[None, :, None, None])).permute(0, 2, 3, 1).flatten(1), bias


def _build_block(block: ResidualAttentionBlock) -> TransformerBlock:
    return TransformerBlock(
        norms=(block.ln_1, block.ln_2),
        qkv=(block.attn.in_proj_weight, block.attn.in_proj_bias),
        out=block.attn.out_proj,
        mlp=(block.mlp.c_fc, block.mlp.c_proj),
        quick_gelu=isinstance(block.mlp.gelu, QuickGELU),
        heads=block.attn.num_heads,
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
