"""The one error that models raise; free of torch, so that every process can name it."""

from smimso.errors import Unavailable


class ModelUnavailable(Unavailable):
    """A model's weights are missing or do not fit; the message says what was sought where.

    For operators: the message may name directories and belongs in logs, not in a response.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__("model_unavailable", text=reason)
