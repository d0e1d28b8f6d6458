"""Become another program that dies with its parent: `child.py [options] -- program …`.

The supervisor starts every program through this file. It knows nothing of Django and imports only
the standard library (about 15 ms with `python -I -S`).

A parent-death signal instead of a list of pids: after `kill -9` of the supervisor nobody is left to
read a list, and a surviving PostgreSQL holds its data directory. The kernel sends the signal, and
forgets it when the user id changes, so it is set after that. Only Linux has it; elsewhere the next
start waits for the lock that the children hold.
"""

import argparse
import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True, help="pid that this must not outlive")
    parser.add_argument("--death-signal", default="SIGKILL")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--user", help="account to become")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()

    if options.user:
        account = pwd.getpwnam(options.user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.chdir("/")
    if sys.platform == "linux":
        number = signal.Signals[options.death_signal]
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != options.parent:
        sys.exit("The process that started this one has ended.")
    os.nice(options.nice)
    os.execv(options.program[0], options.program)  # noqa: S606


if __name__ == "__main__":
    main()
