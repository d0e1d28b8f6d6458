"""Categories: those we have already are found by slug or name, others are created."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.text import slugify

from accounts.models import Category
from importer.rows import Row
from importer.staging import Target
from importer.table_import import Step


class Categories(Step):
    """ours: our category's id by the source's, for all that refer to one."""

    table = "categories"
    columns = ("id", "name", "slug", "description", "icon_url", "created_at")
    target = Target(
        Category, ("id", "name", "slug", "description", "icon_url", "prompt", "created_at")
    )

    def __init__(self) -> None:
        self.ours: dict[UUID, UUID] = {}

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        existing = list(Category.objects.all())
        ids = {category.pk for category in existing}
        by_slug = {category.slug.casefold(): category.pk for category in existing}
        by_name = {category.name.casefold(): category.pk for category in existing}
        cleaned: list[Mapping[str, Any]] = []
        for row in rows:
            name = row.words("name", 100)
            slug = row.words("slug", 100) or slugify(name) or str(row.id)
            name = name or slug
            found = by_slug.get(slug.casefold()) or by_name.get(name.casefold())
            if row.id in ids:
                found = row.id
            if found is None:
                found = row.id
                by_slug[slug.casefold()] = by_name[name.casefold()] = found
            elif found != row.id:
                row.skip("it is ours under another id, which takes its place")
            self.ours[row.id] = found
            if found == row.id:
                cleaned.append(_category(row, name, slug))
        return cleaned

    def of(self, row: Row, column: str) -> UUID | None:
        """Our id of the category that the row refers to."""
        theirs = row.reference(column)
        if theirs is None:
            return None
        if theirs not in self.ours:
            row.note("its category does not exist: left without one")
        return self.ours.get(theirs)


def _category(row: Row, name: str, slug: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": name,
        "slug": slug,
        "description": row.text("description"),
        "icon_url": row.text("icon_url"),
        # CLIP's models know English: a Vietnamese name says nothing to them, the slug does.
        "prompt": name.lower() if name.isascii() else slug.replace("-", " "),
        "created_at": row.moment("created_at"),
    }
