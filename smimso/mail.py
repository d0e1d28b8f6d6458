"""Letters of an installation that has no mail server: its operator reads them on the terminal."""

import sys
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.console import EmailBackend

LINE_PREFIX = "mail: "  # `manage.py up` also prints what begins with it


class TerminalBackend(EmailBackend):
    """Prints each letter as a person reads it, not as it travels."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # Celery writes what comes to sys.stdout into its log, with a date in front.
        super().__init__(*args, **{"stream": sys.__stdout__, **options})

    def write_message(self, message: EmailMessage) -> None:
        head = [f"To: {', '.join(message.to)}", f"Subject: {message.subject}", ""]
        for line in [*head, *str(message.body).splitlines()]:
            self.stream.write(f"{LINE_PREFIX}{line}\n")
