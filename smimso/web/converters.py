"""Path converters of the REST API."""

from uuid import UUID

from django.urls.converters import StringConverter


class AnyIdConverter(StringConverter):
    """The converter `any_id`: a malformed id becomes the nil UUID, which no object has.

    So both get the response for an unknown object.
    """

    def to_python(self, value: str) -> UUID:  # type: ignore[override]
        try:
            return UUID(value)
        except ValueError:
            return UUID(int=0)
