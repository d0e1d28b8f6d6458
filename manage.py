#!/usr/bin/env python
"""Django's command line; `manage.py up` runs all of SMIMSO."""

import os
import sys

if sys.version_info[:2] != (3, 11):
    sys.exit(f"SMIMSO needs Python 3.11; this is {sys.version.split()[0]}.")

try:
    from django.core.exceptions import ImproperlyConfigured
except ModuleNotFoundError:
    sys.exit("Django is not installed for this Python; `make demo` creates .venv, which has it.")

from django.core.management import execute_from_command_line

from smimso.local.servers import CannotStart


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")
    try:
        execute_from_command_line(sys.argv)
    except (CannotStart, ImproperlyConfigured) as error:
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
