"""Errors that services raise, with a stable code and a translated text each.

`raise InvalidInput("too_many_files", number=10)`: the code says what went wrong, TEXTS has the
text for members. Programs decide by the code and never by the text. `smimso.web.responses` turns
errors into REST responses, in English; pages show `str(error)`, in the language of the reader.
"""

from django.utils import translation
from django.utils.translation import gettext_lazy as _


class SmimsoError(Exception):
    """Base class; `str(error)` is a text for members in the active language.

    code: a key of TEXTS, by default that of the class. field: the field of the form that the error
    is about. text: replaces the text of TEXTS, where a library or the situation gives the words.
    params: values for the placeholders of the text; file_number and file_name say which of several
    files is meant. retry_after: seconds after which the same request may succeed.
    """

    status = 500
    code = "internal_error"

    def __init__(
        self,
        code: str = "",
        *,
        field: str | None = None,
        text: str = "",
        retry_after: int | None = None,
        **params: object,
    ) -> None:
        self.code = code or self.code
        self.field = field
        self.params = params
        self.text = text or TEXTS[self.code]
        self.retry_after = retry_after
        super().__init__(self.code)

    def __str__(self) -> str:
        text = str(self.text) % self.params if self.params else str(self.text)
        if "file_name" in self.params:
            return str(_IN_FILE) % {**self.params, "problem": text}
        return text

    def in_english(self) -> str:
        with translation.override("en"):
            return str(self)


class InvalidInput(SmimsoError):
    status = 400
    code = "invalid_input"


class AuthenticationFailed(SmimsoError):
    status = 401
    code = "authentication_required"


class NotAllowed(SmimsoError):
    status = 403
    code = "not_allowed"


class NotFound(SmimsoError):
    """Also raised for objects that exist but are invisible to the viewer."""

    status = 404
    code = "not_found"


class TooSlow(SmimsoError):
    status = 408
    code = "request_too_slow"


class TooLarge(SmimsoError):
    status = 413
    code = "request_too_large"


class Overloaded(SmimsoError):
    status = 429
    code = "too_many_requests"


class Unavailable(SmimsoError):
    status = 503
    code = "unavailable"


_IN_FILE = _("File %(file_number)s (%(file_name)s): %(problem)s")
TEXTS = {
    # Any request
    "internal_error": _("Internal server error"),
    "invalid_input": _("Invalid input"),
    "authentication_required": _("Authentication required. Please provide a valid token."),
    "token_missing": _("No token provided"),
    "token_invalid": _("Invalid token"),
    "not_allowed": _("You are not allowed to do this"),
    "not_found": _("Not found"),
    "route_not_found": _("Route not found"),
    "request_too_slow": _("The request took too long to arrive. Please try again."),
    "request_too_large": _("The request is too large"),
    "too_many_requests": _("Too many requests. Please try again later."),
    "unavailable": _("This service is not available at the moment"),
    "null_characters": _("Null characters are not allowed."),
    # Uploaded files
    "unexpected_file_field": _("Unexpected field"),
    "file_required": _("No file uploaded"),
    "file_not_found": _("File not found"),
    "image_required": _("Image file is required"),
    "images_required": _("At least one image is required"),
    "too_many_files": _("Too many files. Maximum %(number)s files allowed"),
    "file_too_large": _("File size exceeds the maximum limit of %(number)sMB"),
    "file_type_not_allowed": _(
        "Invalid file type. Only images, audio, video and common documents are allowed."
    ),
    "recording_not_supported": _(
        "The audio or video file is damaged, or of a type from which places and other private data "
        "cannot be removed. Please use MP4, WebM, MP3, M4A, WAV or OGG."
    ),
    "image_too_large": _("The image is too large. At most %(number)s megapixels are allowed"),
    "image_unreadable": _(
        "The file is not a readable image. "
        "Only JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP and TIFF are allowed."
    ),
    "image_too_complex": _(
        "The image takes too much time or memory to read. Please save a smaller copy of it."
    ),
    "animation_too_long": _("The animation has too many frames"),
    "decoders_busy": _(
        "Too many images are being processed at the moment. Please try again in a few seconds."
    ),
    # Accounts and members
    "login_incomplete": _("Email/Phone and password are required"),
    "invalid_credentials": _("Invalid credentials"),
    "account_deactivated": _("Account is deactivated"),
    "email_or_phone_taken": _("User with this email or phone already exists"),
    "phone_invalid": _("Enter a valid phone number"),
    "phone_taken": _("This phone number is already in use"),
    "password_incorrect": _("The password is not correct"),
    "password_rejected": _("Choose another password"),
    "picture_url_not_allowed": _("Pictures are uploaded, or on a site with https"),
    "google_not_configured": _("Login with Google is not configured on this server"),
    "google_refused": _("Google authentication failed"),
    "google_unreachable": _("Google cannot be reached at the moment"),
    "user_not_found": _("User not found"),
    "cannot_follow_self": _("Cannot follow yourself"),
    "cannot_unfollow_self": _("Cannot unfollow yourself"),
    "survey_category_not_found": _("A category does not exist"),
    "unknown_activity_type": _("Failed to fetch user activities: unknown type"),
    # Posts
    "posts_query_invalid": _("Failed to fetch posts"),
    "post_not_found": _("Post not found"),
    "image_not_found": _("Image not found"),
    "title_required": _("Title is required"),
    "category_not_found": _("The category does not exist"),
    "cannot_edit_post": _("You can only edit your own posts"),
    "cannot_delete_post": _("You can only delete your own posts"),
    "idempotency_key_too_long": _("The Idempotency-Key is longer than 255 characters"),
    "comment_required": _("Comment content is required"),
    "comment_not_found": _("Comment not found"),
    "reply_to_other_post": _("The comment that is replied to is not one of this post"),
    "cannot_delete_comment": _("You can only delete your own comments"),
    # AI and search
    "ai_unavailable": _("The AI is not available at the moment. Please try again later."),
    "ai_busy": _("The AI has too much to do at the moment. Please try again later."),
    "model_unavailable": _("The model is not available"),
    "text_required": _("Text is required"),
    "labels_required": _("At least one label is required"),
    "search_query_required": _("Search query is required"),
    "search_cursor_invalid": _("The cursor is not valid"),
    "search_expired": _("The search has expired. Please search again."),
    # Operators: the vector index and changes of the model
    "index_being_built": _("The vector index is being built"),
    "unknown_action": _("There is no such action."),
    "weights_missing": _("There are no weights in %(model)s"),
    "model_already_searched": _("Search already uses the vectors of %(name)s"),
    "vectors_being_deleted": _(
        "The vectors of %(name)s are being deleted. Start again in a few minutes."
    ),
    "other_model_present": _(
        "The collection also has vectors of %(name)s (%(state)s). Cancel, roll back or finish that "
        "change first."
    ),
    "no_model_change": _("No change of the model is in progress"),
    "no_previous_model": _("There is no previous model to roll back to"),
    "no_previous_vectors": _("There are no vectors of a previous model"),
    "no_decision_needed": _("The change of the model needs no decision"),
}
