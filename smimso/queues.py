"""Names of the Celery queues.

The values are a wire format: messages in flight and deployed workers (docker-compose.yml) use them.
"""

TEXT = "text"  # a caller waits for the vector of a search text; served by interactive workers
INTERACTIVE = "interactive"  # a caller waits for a caption, a classification or an image's vector
EMBED = "embed"  # CLIP: makes new images searchable
CAPTION = "caption"  # BLIP
BACKFILL = "fill"  # CLIP: vectors of a second model for existing images
MAINTENANCE = "maintenance"  # everything that needs no model

BULK = (EMBED, CAPTION, BACKFILL)  # in the order of their priority
AI = (TEXT, INTERACTIVE, *BULK)
ALL = (*AI, MAINTENANCE)
