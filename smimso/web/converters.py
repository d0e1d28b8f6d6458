"""Path converters of the REST API."""

from uuid import UUID

from django.urls.converters import StringConverter


class AnyIdConverter(StringConverter):
    """`any_id`. A malformed id is one that nothing has: it gets the answer of an unknown one."""

    def to_python(self, value: str) -> UUID:  # type: ignore[override]
        try:
            return UUID(value)
        except ValueError:
            return UUID(int=0)
