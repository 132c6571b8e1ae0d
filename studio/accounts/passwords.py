"""Hashing of passwords: argon2id for every new one, bcrypt understood where an import brought it."""

import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from bcrypt import checkpw

from studio.accounts import rules

# OWASP's second recommended setting: 19 MiB, 2 passes, 1 lane. Many people can sign in at once without
# the memory of a small server running out, which 64 MiB each would bring about.
TIME_COST: Final = 2
MEMORY_COST_KIB: Final = 19 * 1024
PARALLELISM: Final = 1

BCRYPT_BYTES: Final = 72
"""bcrypt reads no further; the platforms that people come from cut their passwords here."""

_hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_COST_KIB, parallelism=PARALLELISM)
_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def hashed(text: str) -> str:
    """The argon2id hash of a password, with a fresh salt."""
    return _hasher.hash(rules.normal_password(text))


def matches(text: str, stored: str | None) -> bool:
    """Whether `text` is the password behind `stored`; as slow for no or an unknown hash as for a real one."""
    normal = rules.normal_password(text)
    if stored is not None and stored.startswith("$2"):
        # bcrypt hashes come from elsewhere, where nobody normalised: both spellings are tried.
        return any(_bcrypt_matches(spelling, stored) for spelling in dict.fromkeys((text, normal)))
    try:
        return _hasher.verify(stored or _NOBODYS, normal) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(stored: str) -> bool:
    """Whether the hash should be made anew at the next chance: another scheme, or weaker than today's."""
    try:
        return _hasher.check_needs_rehash(stored)
    except InvalidHashError:
        return True


def made_up() -> str:
    """A password that nobody has to remember: 20 characters without look-alikes, about 115 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(20))


def _bcrypt_matches(text: str, stored: str) -> bool:
    try:
        return checkpw(text.encode()[:BCRYPT_BYTES], stored.encode())
    except ValueError:
        return False


_NOBODYS = _hasher.hash(secrets.token_hex(16))
