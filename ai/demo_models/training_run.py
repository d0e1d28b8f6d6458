"""Training loop of both models: options, learning rate, and checkpoints to resume from."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

_WARM_UP = 0.03
_COOL_DOWN = 0.35
_CHECKPOINT_SECONDS = 240.0


def parse_options(
    description: str | None, *, batch_size: int, steps: int, learning_rate: float
) -> argparse.Namespace:
    """Parse the command line of a training script."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="directory made by `dataset`")
    parser.add_argument("--out", type=Path, required=True, help="model directory to write")
    parser.add_argument("--checkpoint", type=Path, required=True, help="file to resume from")
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument(
        "--minutes", type=float, help="train for this long instead of for a number of steps"
    )
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def compute_learning_rate_factor(progress: float) -> float:
    """Return the learning rate factor in (0, 1] at ``progress`` in [0, 1].

    Linear warm-up, a plateau and a linear cool-down (Hägele et al. 2024, arXiv:2405.18392): as
    good as a cosine, and the plateau can be prolonged.
    """
    return min(1.0, progress / _WARM_UP + 1e-3, (1 - progress) / _COOL_DOWN + 1e-3)


def build_optimizer(modules: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """Return AdamW (arXiv:1711.05101) with weight decay for matrices and kernels only."""
    decayed = [p for p in modules.parameters() if p.ndim >= 2]
    others = [p for p in modules.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
        lr=learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )


@dataclass
class TrainingRun:
    """State of one training run, and the loop that drives it."""

    modules: nn.Module
    optimizer: torch.optim.AdamW
    options: argparse.Namespace
    step: int = 0
    seconds: float = 0.0

    @property
    def progress(self) -> float:
        """Completed fraction of the run in [0, 1], by minutes if given, else by steps."""
        if self.options.minutes:
            return min(1.0, self.seconds / (60 * self.options.minutes))
        return min(1.0, self.step / self.options.steps)

    def resume(self) -> None:
        """Continue from the checkpoint file, if there is one."""
        if not self.options.checkpoint.exists():
            return
        state = torch.load(self.options.checkpoint, weights_only=True)
        self.modules.load_state_dict(state["modules"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write the checkpoint; an interruption while writing leaves the previous one intact."""
        path: Path = self.options.checkpoint
        path.parent.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {
            "modules": self.modules.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def iterate_steps(self) -> Iterator[tqdm]:
        """Set the learning rate and yield the progress bar for each remaining step."""
        bar = tqdm(total=100, unit="%", initial=round(100 * self.progress, 1))
        saved = time.monotonic()
        while self.progress < 1:
            began = time.monotonic()
            factor = compute_learning_rate_factor(self.progress)
            for group in self.optimizer.param_groups:
                group["lr"] = self.options.learning_rate * factor
            yield bar
            self.step += 1
            self.seconds += time.monotonic() - began
            bar.update(round(100 * self.progress, 2) - bar.n)
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                self.save()
                saved = time.monotonic()
        self.save()
        bar.close()

    def update(self, loss: torch.Tensor) -> None:
        """Take one optimiser step with gradients clipped to unit norm."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.modules.parameters(), 1.0)
        self.optimizer.step()
