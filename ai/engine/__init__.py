"""CLIP and BLIP behind one class; the only package that imports torch.

Import it inside a function of `ai.worker` only: the web process must never load torch.
"""

from ai.engine.torchvision_operators import declare_missing_operators

declare_missing_operators()  # before open_clip and transformers, which import torchvision

from transformers.utils import logging as transformers_logging  # noqa: E402

from ai.engine.engine import VECTOR_SIZE, Engine  # noqa: E402

transformers_logging.set_verbosity_warning()
transformers_logging.disable_progress_bar()  # of reading files; downloads keep theirs

__all__ = ["VECTOR_SIZE", "Engine"]
