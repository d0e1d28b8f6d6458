"""What must not be written to a log."""

import logging
import re

_TOKEN = re.compile(r"(?i)\b(token=)[^&\s\"']+")


class WithoutTokens(logging.Filter):
    """Takes the value of `token=` out of a line: the URL of the notification stream holds one."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        scrubbed = _TOKEN.sub(r"\1…", message)
        if scrubbed != message:
            record.msg, record.args = scrubbed, None
        return True
