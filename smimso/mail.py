"""E-mails of an installation without a mail server: its operator reads them on the terminal."""

import sys
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.console import EmailBackend

LINE_PREFIX = "mail: "  # `manage.py up` shows lines that begin with it


class TerminalBackend(EmailBackend):
    """Print each e-mail in readable form instead of its encoded source."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # Not sys.stdout: Celery redirects that to its log, with a date in front of each line.
        super().__init__(*args, **{"stream": sys.__stdout__, **options})

    def write_message(self, message: EmailMessage) -> None:
        head = [f"To: {', '.join(message.to)}", f"Subject: {message.subject}", ""]
        for line in [*head, *str(message.body).splitlines()]:
            self.stream.write(f"{LINE_PREFIX}{line}\n")
