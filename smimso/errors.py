"""The errors that services raise; `smimso.web.responses` alone turns them into responses."""


class SmimsoError(Exception):
    """Base of the family. `str(error)` is a text that a member may read.

    field: of the form, where one is to blame.
    """

    status = 500
    default = "Internal server error"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message or self.default)
        self.field = field


class InvalidInput(SmimsoError):
    status = 400
    default = "Invalid input"


class AuthenticationFailed(SmimsoError):
    status = 401
    default = "Authentication required. Please provide a valid token."


class NotAllowed(SmimsoError):
    status = 403
    default = "You are not allowed to do this"


class NotFound(SmimsoError):
    """Also for what exists but is invisible to the viewer."""

    status = 404
    default = "Not found"


class TooLarge(SmimsoError):
    status = 413
    default = "The request is too large"


class Overloaded(SmimsoError):
    status = 429
    default = "Too many requests. Please try again later."


class Unavailable(SmimsoError):
    status = 503
    default = "This service is not available at the moment"
