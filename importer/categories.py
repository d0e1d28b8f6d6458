"""Categories: existing ones are matched by slug or name, others are created."""

from collections.abc import Sequence
from uuid import UUID

from django.utils.text import slugify

from accounts.models import Category
from importer.rows import Row
from importer.staging import CleanRow, Target
from importer.table_import import TableImport
from smimso.text import text_key


class Categories(TableImport):
    """`local_ids` maps the source's category ids to ours, for rows that refer to them."""

    table = "categories"
    columns = ("id", "name", "slug", "description", "icon_url", "created_at")
    target = Target(
        Category, ("id", "name", "slug", "description", "icon_url", "prompt", "created_at")
    )

    def __init__(self) -> None:
        self.local_ids: dict[UUID, UUID] = {}

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        existing = list(Category.objects.all())
        ids = {category.pk for category in existing}
        by_slug = {category.slug.casefold(): category.pk for category in existing}
        by_name = {text_key(category.name): category.pk for category in existing}
        cleaned: list[CleanRow] = []
        for row in rows:
            name = row.line("name", 100)
            slug = row.stripped("slug", 100) or slugify(name) or str(row.id)
            name = name or slug
            local_id = by_slug.get(slug.casefold()) or by_name.get(text_key(name))
            if row.id in ids:
                local_id = row.id
            if local_id is None:
                local_id = row.id
                by_slug[slug.casefold()] = by_name[text_key(name)] = local_id
            elif local_id != row.id:
                row.skip("a category with its slug or name exists and is used instead")
            self.local_ids[row.id] = local_id
            if local_id == row.id:
                cleaned.append(_category(row, name, slug))
        return cleaned

    def local_id(self, row: Row, column: str) -> UUID | None:
        """Return our id of the category that the row refers to."""
        source_id = row.uuid(column)
        if source_id is None:
            return None
        if source_id not in self.local_ids:
            row.note("its category does not exist: left empty")
        return self.local_ids.get(source_id)


def _category(row: Row, name: str, slug: str) -> CleanRow:
    return {
        "id": row.id,
        "name": name,
        "slug": slug,
        "description": row.text("description"),
        "icon_url": row.text("icon_url"),
        # CLIP understands English, so a Vietnamese name is replaced by its slug.
        "prompt": name.lower() if name.isascii() else slug.replace("-", " "),
        "created_at": row.timestamp("created_at"),
    }
