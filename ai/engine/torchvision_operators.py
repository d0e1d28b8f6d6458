"""A workaround that lets PyPI's torchvision be imported with a CPU build of torch.

PyPI's torchvision wheel is built for CUDA. Its compiled half does not load with a CPU torch, and
the Python half then stops at import with `operator torchvision::nms does not exist`, because it
registers shape functions for two operators that only the compiled half declares. Nothing here
calls them, so declaring them without an implementation is enough.
"""

import torch

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def declare_missing_operators() -> None:
    """Declare the operators. Call it before the first import of torchvision.

    Does nothing if torchvision's wheel fits torch.
    """
    try:
        # Loads the compiled half when it fits, which then declares the operators itself.
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    else:
        return
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", schema)
