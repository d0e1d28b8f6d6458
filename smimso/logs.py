"""What must not be written to a log."""

import logging
import re

_TOKEN = re.compile(r"(?i)(\btoken=|/password/reset/[^/\s]+/)[^&\s\"']+")


class TokenRedactor(logging.Filter):
    """Takes tokens out of a line: the URLs of the notification stream and of letters hold one."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        scrubbed = _TOKEN.sub(r"\1…", message)
        if scrubbed != message:
            record.msg, record.args = scrubbed, None
        return True
