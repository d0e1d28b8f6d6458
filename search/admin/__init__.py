"""Administration of search: measurements of the index, and its sections of `/admin/ai/`."""

from search.admin import measurements

__all__ = ["measurements"]
