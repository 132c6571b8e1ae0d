"""Archives of many cards: a zip read from a file that need not fit into memory, member by member."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from studio.cards import archives, limits
from studio.cards.errors import (
    CardError,
    DamagedError,
    EncryptedError,
    NotACardError,
    TooLargeError,
    UnsafeArchiveError,
)
from studio.cards.formats.byaf import MANIFEST_PATH

_PIECE_BYTES = 65_536
_TAIL_BYTES = 66_000
_END_RECORD = b"PK\x05\x06"
_DAMAGED = "This archive is damaged; pack it again."
# What systems put beside people's files.
_JUNK = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Member:
    """One file of an archive: its path there, and its bytes or why it was left out."""

    path: str
    data: bytes = b""
    refusal: CardError | None = None


def is_junk(path: str) -> bool:
    """Whether a file is the system's own, which nobody meant to bring: hidden, or a folder's picture cache."""
    parts = path.replace("\\", "/").split("/")
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1].lower() in _JUNK


def is_pack(file: IO[bytes]) -> bool:
    """Whether this zip is no card itself, and so an archive of cards. Raises what `members_of` raises for all of it."""
    names = set(_open(file).namelist())
    return archives.CARD_PATH not in names and MANIFEST_PATH not in names


def members_of(file: IO[bytes]) -> Iterator[Member]:
    """The files of the archive, one at a time; folders and what the system put there are passed over.

    A file that is too large, encrypted or damaged, is a link, or whose path leads out of the archive, comes with its
    refusal, and the others follow. Raises UnsafeArchiveError (equal names, overlaps), TooLargeError (by the directory, or once
    more is inflated than a batch may hold) or DamagedError where the whole archive is not to be trusted.
    """
    archive = _open(file)
    room = limits.PACK_BYTES
    for info in archive.infolist():
        # A way out of the archive begins with a dot too, and is told.
        if info.is_dir() or (is_junk(info.filename) and archives.is_safe_path(info.orig_filename)):
            continue
        member = _member(archive, info, room)
        room -= len(member.data)
        yield member


def _open(file: IO[bytes]) -> zipfile.ZipFile:
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    position = tail.rfind(_END_RECORD)
    if position < 0 or position + 22 > len(tail):
        raise DamagedError("This archive is cut off; bring it again.")
    count, directory = struct.unpack_from("<HI", tail, position + 10)
    if tail[max(0, position - 20) :].startswith(b"PK\x06\x07"):
        raise TooLargeError("This archive is in the Zip64 form for very large archives; save it as a plain zip.")
    if count > limits.PACK_FILES or directory > limits.PACK_DIRECTORY_BYTES:
        raise _too_many()
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error):
        raise DamagedError(_DAMAGED) from None
    _check(archive.infolist(), size)
    return archive


def _check(infos: list[zipfile.ZipInfo], size: int) -> None:
    if len(infos) > limits.PACK_FILES:
        raise _too_many()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names):
        raise UnsafeArchiveError("Two files in this archive have the same name.")
    if sum(info.compress_size for info in infos) > size:
        raise UnsafeArchiveError("Files in this archive overlap, as only a decompression bomb's do.")
    if sum(info.file_size for info in infos) > limits.PACK_BYTES:
        raise _too_large()


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, room: int) -> Member:
    if not archives.is_safe_path(info.orig_filename):
        return Member(info.filename, refusal=UnsafeArchiveError("The path of this file leads out of its archive."))
    if stat.S_ISLNK(info.external_attr >> 16):
        return Member(info.filename, refusal=UnsafeArchiveError("This is a link to a file, and no file."))
    try:
        return Member(info.filename, _inflated(archive, info, room))
    except (EncryptedError, NotACardError, DamagedError) as refusal:
        return Member(info.filename, refusal=refusal)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, struct.error):
        return Member(info.filename, refusal=DamagedError("This file is damaged inside its archive."))


def _inflated(archive: zipfile.ZipFile, info: zipfile.ZipInfo, room: int) -> bytes:
    if info.flag_bits & 0x1:
        raise EncryptedError("This file is encrypted in its archive; pack it without a password.")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise DamagedError("This file is packed by a method other than deflate; pack it as a plain zip.")
    cap = max(limits.INFLATE_RATIO_FROM_BYTES, limits.INFLATE_RATIO * info.compress_size)
    pieces: list[bytes] = []
    size = 0
    with archive.open(info) as member:
        while piece := member.read(_PIECE_BYTES):
            size += len(piece)
            if size > room:
                raise _too_large()
            if size > limits.PACK_MEMBER_BYTES or size > cap:
                raise NotACardError(
                    "This file unpacks to more than %(limit)s MB, or a hundred times its size; no card does.",
                    limit=limits.PACK_MEMBER_BYTES // limits.MB,
                )
            pieces.append(piece)
    return b"".join(pieces)


def _too_many() -> TooLargeError:
    return TooLargeError(
        "This archive holds more than %(limit)s files; bring them in several archives.", limit=limits.PACK_FILES
    )


def _too_large() -> TooLargeError:
    return TooLargeError(
        "This archive unpacks to more than %(limit)s MB; bring its files in several archives.",
        limit=limits.PACK_BYTES // limits.MB,
    )
