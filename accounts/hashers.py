"""How passwords are kept.

New ones by Argon2id, which is memory-hard: many guesses at once cost an attacker's graphics card
the memory that it does not have. Parameters: OWASP Password Storage Cheat Sheet; of its choices
the one that takes about as long as checking a hash of the Node backend (bcrypt, cost 10), so that
the time of a refusal hardly tells one kind of account from another, or from none.
"""

import bcrypt
from django.contrib.auth.hashers import Argon2PasswordHasher, BCryptPasswordHasher

_RAW_BCRYPT = ("$2a$", "$2b$", "$2y$")
_BCRYPT_BYTES = 72  # what bcrypt looks at; its Python package refuses more, bcryptjs cuts


class Argon2Hasher(Argon2PasswordHasher):
    time_cost = 1
    memory_cost = 47_104  # KiB
    parallelism = 1


class NodeBCryptHasher(BCryptPasswordHasher):
    """Checks hashes of the Node backend, until their owners log in and get a new one."""

    def encode(self, password: str, salt: bytes) -> str:  # type: ignore[override]
        data = bcrypt.hashpw(password.encode()[:_BCRYPT_BYTES], salt)
        return f"{self.algorithm}${data.decode('ascii')}"


def with_algorithm(encoded: str) -> str:
    """The hash with the name of its hasher in front, which bcryptjs did not write."""
    if encoded.startswith(_RAW_BCRYPT):
        return f"{NodeBCryptHasher.algorithm}${encoded}"
    return encoded
