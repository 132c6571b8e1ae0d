"""Where the bytes of files lie: objects under the hash of their content, never under a name that somebody gave."""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from studio.kit.errors import UnavailableError
from studio.settings import Settings

_PIECE = 1024 * 1024
_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}")


class StorageError(UnavailableError):
    """The storage did not do what was asked; nothing is known of the object's state."""


class MissingObjectError(StorageError):
    """A row says that these bytes exist, but the storage does not have them."""

    def __init__(self) -> None:
        super().__init__("The file's content is missing from the storage. Restore it from a backup or upload it again.")


class Storage(Protocol):
    """Bytes by key. Every method may be called from several threads and processes, and repeated."""

    @property
    def label(self) -> str:
        """What screens call this storage."""

    def put(self, key: str, data: bytes) -> None:
        """Make `key` hold `data`; a reader sees all of it or nothing. Raises StorageError."""

    def put_file(self, key: str, path: Path) -> None:
        """Make `key` hold the bytes of the file at `path`, which may be larger than the memory. Raises StorageError."""

    def get(self, key: str) -> bytes:
        """The bytes under `key`. Raises MissingObjectError where there are none, else StorageError."""

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes under `key` in pieces. Raises MissingObjectError where there are none, else StorageError."""

    def delete(self, key: str) -> None:
        """Make `key` hold nothing; that it held nothing before is no error."""

    def exists(self, key: str) -> bool:
        """Whether `key` holds something."""

    def size(self, key: str) -> int:
        """How many bytes `key` holds. Raises MissingObjectError where there are none."""


def key_of(sha256: str) -> str:
    """The key of the bytes with this hash (64 hexadecimal digits): `ab/cd/<hash>`; raises ValueError for others."""
    key = f"{sha256[:2]}/{sha256[2:4]}/{sha256}"
    if not _KEY.fullmatch(key):
        raise ValueError("a storage key is made of a SHA-256 in lower-case hexadecimal")
    return key


class LocalStorage:
    """A folder on this machine. An object is written beside its place and then renamed into it."""

    label = "A folder on this machine"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _store(self) -> LocalStore:
        # Made on the first use: reading settings or showing help must leave no folder behind.
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStore(self._folder)

    def put(self, key: str, data: bytes) -> None:
        """Make `key` hold `data`, unless it does: equal keys mean equal bytes, a torn write shows in the size."""
        try:
            if self._size(key) == len(data):
                return
            obstore.put(self._store, _checked(key), data, use_multipart=False)
        except (BaseError, OSError) as error:
            raise StorageError("The file could not be stored. Try again; if it stays, tell the staff.") from error

    def put_file(self, key: str, path: Path) -> None:
        """Make `key` hold the bytes of the file at `path`, read piece by piece."""
        try:
            if self._size(key) == path.stat().st_size:
                return
            with path.open("rb") as file:
                obstore.put(self._store, _checked(key), file)
        except (BaseError, OSError) as error:
            raise StorageError("The file could not be stored. Try again; if it stays, tell the staff.") from error

    def get(self, key: str) -> bytes:
        """The bytes under `key`."""
        try:
            return bytes(obstore.get(self._store, _checked(key)).bytes())
        except FileNotFoundError:
            raise MissingObjectError from None
        except (BaseError, OSError) as error:
            raise StorageError("The file could not be read. Try again; if it stays, tell the staff.") from error

    def stream(self, key: str) -> Iterator[bytes]:
        """The bytes under `key` in pieces of a megabyte; that there are some is known before the first is asked for."""
        try:
            found = obstore.get(self._store, _checked(key))
        except FileNotFoundError:
            raise MissingObjectError from None
        except (BaseError, OSError) as error:
            raise StorageError("The file could not be read. Try again; if it stays, tell the staff.") from error
        return (bytes(piece) for piece in found.stream(min_chunk_size=_PIECE))

    def delete(self, key: str) -> None:
        """Make `key` hold nothing."""
        try:
            obstore.delete(self._store, _checked(key))
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise StorageError("The file could not be deleted. Try again; if it stays, tell the staff.") from error

    def exists(self, key: str) -> bool:
        """Whether `key` holds something."""
        return self._size(key) is not None

    def size(self, key: str) -> int:
        """How many bytes `key` holds."""
        size = self._size(key)
        if size is None:
            raise MissingObjectError
        return size

    def _size(self, key: str) -> int | None:
        try:
            return int(obstore.head(self._store, _checked(key))["size"])
        except FileNotFoundError:
            return None


def from_settings(settings: Settings) -> Storage:
    """The storage that the settings name; nothing is touched before it is used."""
    return LocalStorage(settings.media_folder)


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("a storage key is made of a SHA-256 in lower-case hexadecimal")
    return key
