#!/usr/bin/env python
"""Django's command line, and the door to `manage.py up`, which runs all of SMIMSO."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")
    execute_from_command_line(sys.argv)
