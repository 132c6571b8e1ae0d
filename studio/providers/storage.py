"""Where the bytes of files lie: objects under the hash of their content, never under a name that somebody gave."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from studio.kit.errors import UnavailableError
from studio.settings import Settings

PARTS = 256
"""What `walk` can be asked for: a store is looked through in this many parts."""

_PIECE = 1024 * 1024
_LISTED_AT_ONCE = 1000
_STAGED = re.compile(r"[0-9a-f]{64}#\d+")
_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}")


class StorageError(UnavailableError):
    """The storage did not do what was asked; nothing is known of the object's state."""


class MissingObjectError(StorageError):
    """A row says that these bytes exist, but the storage does not have them."""

    def __init__(self) -> None:
        super().__init__("The file's content is missing from the storage. Restore it from a backup or upload it again.")


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as a store lists it."""

    sha256: str
    size: int
    changed_at: datetime


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

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes under `key` from `start` to before `end`, in pieces. Raises as `get`."""

    def delete(self, key: str) -> None:
        """Make `key` hold nothing; that it held nothing before is no error."""

    def exists(self, key: str) -> bool:
        """Whether `key` holds something."""

    def size(self, key: str) -> int:
        """How many bytes `key` holds. Raises MissingObjectError where there are none."""

    def walk(self, part: int) -> Iterator[Stored]:
        """Everything whose hash begins with the byte `part` (0 to 255), some at a time. Raises StorageError."""

    def drop_staged(self, part: int, *, before: datetime) -> int:
        """What was half written since before `before`, by workers that are gone, is deleted; returns how many objects."""


def key_of(sha256: str) -> str:
    """The key of the bytes with this hash (64 hexadecimal digits): `ab/cd/<hash>`; raises ValueError for others."""
    key = f"{sha256[:2]}/{sha256[2:4]}/{sha256}"
    if not _KEY.fullmatch(key):
        raise ValueError("a storage key is made of a SHA-256 in lower-case hexadecimal")
    return key


class _ObjectStorage:
    """What every kind of store does alike."""

    label = ""

    @cached_property
    def _store(self) -> Any:
        raise NotImplementedError

    def put(self, key: str, data: bytes) -> None:
        """Make `key` hold `data`, unless it does: equal keys mean equal bytes, a torn write shows in the size."""
        with _said("The file could not be stored. Try again; if it stays, tell the staff."):
            if self._size(key) != len(data):
                obstore.put(self._store, _checked(key), data, use_multipart=False)

    def put_file(self, key: str, path: Path) -> None:
        """Make `key` hold the bytes of the file at `path`, read piece by piece."""
        with _said("The file could not be stored. Try again; if it stays, tell the staff."):
            if self._size(key) != path.stat().st_size:
                with path.open("rb") as file:
                    obstore.put(self._store, _checked(key), file)

    def get(self, key: str) -> bytes:
        """The bytes under `key`."""
        with _said("The file could not be read. Try again; if it stays, tell the staff."):
            return bytes(obstore.get(self._store, _checked(key)).bytes())

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes under `key` in pieces of a megabyte; that there are some is known before the first is asked for."""
        options: Any = {"range": (start, end)} if end is not None else {"range": {"offset": start}} if start else None
        with _said("The file could not be read. Try again; if it stays, tell the staff."):
            found = obstore.get(self._store, _checked(key), options=options)
        return (bytes(piece) for piece in found.stream(min_chunk_size=_PIECE))

    def delete(self, key: str) -> None:
        """Make `key` hold nothing."""
        try:
            with _said("The file could not be deleted. Try again; if it stays, tell the staff."):
                obstore.delete(self._store, _checked(key))
        except MissingObjectError:
            return

    def exists(self, key: str) -> bool:
        """Whether `key` holds something."""
        with _said("The file could not be read. Try again; if it stays, tell the staff."):
            return self._size(key) is not None

    def size(self, key: str) -> int:
        """How many bytes `key` holds."""
        with _said("The file could not be read. Try again; if it stays, tell the staff."):
            size = self._size(key)
        if size is None:
            raise MissingObjectError
        return size

    def walk(self, part: int) -> Iterator[Stored]:
        """What lies under keys that begin with the byte `part`, some at a time."""
        with _said("The storage could not be looked through. Try again; if it stays, tell the staff."):
            for found in obstore.list(self._store, f"{part:02x}", chunk_size=_LISTED_AT_ONCE):
                for one in found:
                    name = one["path"].rpartition("/")[2]
                    # Whatever else lies there was not put there by us.
                    if _KEY.fullmatch(one["path"]):
                        yield Stored(sha256=name, size=int(one["size"]), changed_at=one["last_modified"])

    def drop_staged(self, part: int, *, before: datetime) -> int:  # noqa: ARG002 - A bucket shows nothing before it is whole.
        """Nothing is staged where it could be seen."""
        return 0

    def _size(self, key: str) -> int | None:
        try:
            return int(obstore.head(self._store, _checked(key))["size"])
        except FileNotFoundError:
            return None


class LocalStorage(_ObjectStorage):
    """A folder on this machine. An object is written beside its place and then renamed into it."""

    label = "A folder on this machine"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _store(self) -> LocalStore:
        # Made on the first use: reading settings or showing help must leave no folder behind.
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStore(self._folder)

    def drop_staged(self, part: int, *, before: datetime) -> int:
        """Parts of objects beside their places, `<hash>#1`, that nothing was written to since before `before`."""
        dropped = 0
        with _said("The storage could not be looked through. Try again; if it stays, tell the staff."):
            for place in (self._folder / f"{part:02x}").glob("*/*#*"):
                try:
                    if _STAGED.fullmatch(place.name) and place.stat().st_mtime < before.timestamp():
                        place.unlink()
                        dropped += 1
                except FileNotFoundError:
                    # It was put in its place, or another sweep was quicker.
                    continue
        return dropped


class BucketStorage(_ObjectStorage):
    """A bucket of Amazon S3 or of any server that speaks its protocol."""

    def __init__(
        self,
        bucket: str,
        *,
        url: str | None,
        region: str,
        key_id: str,
        key: str,
        prefix: str = "",
        timeout: float = 30.0,
    ) -> None:
        self._bucket, self._url, self._region = bucket, url, region
        self._key_id, self._key, self._prefix = key_id, key, prefix.strip("/")
        self._timeout = timedelta(seconds=timeout)

    @property
    def label(self) -> str:  # type: ignore[override]
        """The bucket and the host that has it."""
        host = urlsplit(self._url).hostname if self._url else "Amazon S3"
        return f"The bucket {self._bucket}, at {host}"

    @cached_property
    def _store(self) -> S3Store:
        where: Any = {} if self._url is None else {"endpoint": self._url}
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            region=self._region,
            access_key_id=self._key_id,
            secret_access_key=self._key,
            # Servers of one's own know no names of buckets in their own name.
            virtual_hosted_style_request=self._url is None,
            client_options={
                "allow_http": self._url is not None and self._url.startswith("http://"),
                "timeout": self._timeout,
                "connect_timeout": timedelta(seconds=10),
            },
            retry_config={"max_retries": 3, "retry_timeout": self._timeout},
            **where,
        )


class UnusableStorage(_ObjectStorage):
    """What stands in where the settings cannot be right: each use says what to correct."""

    label = "not configured"

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    @cached_property
    def _store(self) -> Any:
        raise StorageError(self._sentence)


@contextmanager
def _said(sentence: str) -> Iterator[None]:
    """What the store says goes no further: its words may hold addresses and parts of keys."""
    try:
        yield
    except FileNotFoundError:
        raise MissingObjectError from None
    except (BaseError, OSError) as error:
        raise StorageError(sentence) from error


def from_settings(settings: Settings) -> Storage:
    """The storage that the settings name; nothing is touched before it is used."""
    if settings.storage_provider == "local":
        return LocalStorage(settings.media_folder)
    if not settings.storage_bucket or settings.storage_key_id is None or settings.storage_key is None:
        return UnusableStorage(
            "Files have no place: set STUDIO_STORAGE_BUCKET, STUDIO_STORAGE_KEY_ID and STUDIO_STORAGE_KEY."
        )
    return BucketStorage(
        settings.storage_bucket,
        url=settings.storage_url,
        region=settings.storage_region,
        key_id=settings.storage_key_id.get_secret_value(),
        key=settings.storage_key.get_secret_value(),
        prefix=settings.storage_prefix,
        timeout=settings.storage_timeout,
    )


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("a storage key is made of a SHA-256 in lower-case hexadecimal")
    return key
