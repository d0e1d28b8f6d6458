"""The error that models raise; free of torch, so that every process can import it."""

from smimso.errors import Unavailable


class ModelUnavailable(Unavailable):
    """A model's weights are missing or do not fit.

    The message is for operators: it may name directories and belongs in logs, not in responses.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__("model_unavailable", text=reason)
