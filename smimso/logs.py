"""Filters for log records."""

import logging
import re

_TOKEN = re.compile(r"(?i)(\btoken=|/password/reset/[^/\s]+/)[^&\s\"']+")


class TokenRedactor(logging.Filter):
    """Remove tokens from a line: URLs of the notification stream and of e-mails contain one."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        redacted = _TOKEN.sub(r"\1…", message)
        if redacted != message:
            record.msg, record.args = redacted, None
        return True


class CacheErrorSummary(logging.Filter):
    """Shorten the traceback of each cache operation that django-redis ignored to a warning."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args = "The cache is not reachable: %s", (record.exc_info[1],)
            record.exc_info = None
        return True
