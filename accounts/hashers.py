"""Password hashers: Argon2id for new hashes, bcrypt for those of the Node backend.

Argon2id is memory-hard, which makes mass guessing on graphics cards expensive. Its parameters are
one of the choices of the OWASP Password Storage Cheat Sheet: the one that takes about as long as
checking a hash of the Node backend (bcrypt, cost 10), so that the time of a failed login hardly
shows which kind of account exists, or whether one exists.
"""

import bcrypt
from django.contrib.auth.hashers import Argon2PasswordHasher, BCryptPasswordHasher

_BCRYPT_MAX_BYTES = 72  # bcrypt ignores the rest; bcryptjs truncates, Python's package refuses it


class Argon2Hasher(Argon2PasswordHasher):
    time_cost = 1
    memory_cost = 47_104  # KiB
    parallelism = 1


class NodeBCryptHasher(BCryptPasswordHasher):
    """Checks imported hashes; logging in replaces them with Argon2id."""

    def encode(self, password: str, salt: bytes) -> str:  # type: ignore[override]
        data = bcrypt.hashpw(password.encode()[:_BCRYPT_MAX_BYTES], salt)
        return with_algorithm(data.decode("ascii"))


def with_algorithm(bare_hash: str) -> str:
    """Return a bcrypt hash such as `$2a$10$…` in Django's form, which names the algorithm."""
    return f"{NodeBCryptHasher.algorithm}${bare_hash}"
