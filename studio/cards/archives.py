"""CHARX archives: a zip read with suspicion and written so that equal content gives equal bytes."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from studio.cards import limits
from studio.cards.errors import DamagedError, EncryptedError, TooLargeError, UnsafeArchiveError

CARD_PATH = "card.json"
LOCAL_HEADER = b"PK\x03\x04"
_END_RECORD = b"PK\x05\x06"
_END_RECORD_LENGTH = 22
_ZIP64_LOCATOR = b"PK\x06\x07"
_COMMENT_BYTES = 65_535
_ENCRYPTED_FLAG = 0x1
_PIECE_BYTES = 65_536
# 1980-01-01 is the earliest time a zip can state; stating it always makes equal content equal bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Archive:
    """The members by path, and where the archive begins in the file (behind a picture, perhaps)."""

    members: Mapping[str, bytes]
    start: int


def holds_archive(data: bytes) -> bool:
    """Whether a zip stands somewhere in these bytes and ends with them, as behind a picture; reads no member."""
    return _end_record(data) >= 0 and LOCAL_HEADER in data


def read_archive(data: bytes) -> Archive:
    """All members of a zip, also of one appended to a picture.

    Raises UnsafeArchiveError (paths that escape, symlinks, duplicates, nested zips), EncryptedError,
    TooLargeError (count, sizes by real inflated bytes, ratio) or DamagedError. The directory is bounded before
    it is parsed, and a member is inflated in pieces that stop at the limit.
    """
    _check_directory(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_members(infos, len(data))
            members = _inflate_members(archive, infos, len(data))
            start = min((info.header_offset for info in infos), default=0)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise DamagedError("This CHARX archive is damaged; download or export it again.") from error
    return Archive(members, start)


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """The members as a zip, in their order, with fixed times and rights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, body in members.items():
            info = zipfile.ZipInfo(path, _EPOCH)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, body)
    return buffer.getvalue()


def is_safe_path(path: str) -> bool:
    """Whether a member's name stays below its folder on every system."""
    return (
        bool(path)
        and "\\" not in path
        and "\0" not in path
        # A drive's letter: C:/…
        and path[1:2] != ":"
        and not path.startswith("/")
        and ".." not in path.split("/")
    )


def _end_record(data: bytes) -> int:
    return data.rfind(_END_RECORD, max(0, len(data) - _END_RECORD_LENGTH - _COMMENT_BYTES))


def _check_directory(data: bytes) -> None:
    position = _end_record(data)
    if position < 0 or position + _END_RECORD_LENGTH > len(data):
        raise DamagedError("This CHARX archive is cut off; download or export it again.")
    count, directory_bytes = struct.unpack_from("<HI", data, position + 10)
    if data[max(0, position - 20) :].startswith(_ZIP64_LOCATOR):
        raise TooLargeError("This archive is in the Zip64 form for very large archives; save it as a plain zip.")
    if count > limits.ASSET_COUNT or directory_bytes > limits.ZIP_DIRECTORY_BYTES:
        raise _too_many()


def _check_members(infos: list[zipfile.ZipInfo], file_bytes: int) -> None:
    if len(infos) > limits.ASSET_COUNT:
        raise _too_many()
    seen: set[str] = set()
    for info in infos:
        _check_member(info)
        if info.filename in seen:
            raise UnsafeArchiveError("Two files in this archive have the same name.")
        seen.add(info.filename)
    if sum(info.compress_size for info in infos) > file_bytes:
        raise UnsafeArchiveError("Files in this archive overlap, as only a decompression bomb's do.")
    stated = sum(info.file_size for info in infos)
    if (
        stated > limits.ASSET_TOTAL_BYTES
        or stated > limits.INFLATE_RATIO * file_bytes + limits.INFLATE_RATIO_FROM_BYTES
    ):
        raise _too_large()


def _check_member(info: zipfile.ZipInfo) -> None:
    if not is_safe_path(info.orig_filename):
        raise UnsafeArchiveError("A file in this archive has a path that leads out of it; nothing was unpacked.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UnsafeArchiveError("This archive holds a symbolic link; nothing was unpacked.")
    if info.flag_bits & _ENCRYPTED_FLAG:
        raise EncryptedError("This archive is encrypted; export it without a password.")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise UnsafeArchiveError("This archive is packed by a method other than deflate; pack it as a plain zip.")


def _inflate_members(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], file_bytes: int) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    total = 0
    room = min(limits.ASSET_TOTAL_BYTES, limits.INFLATE_RATIO * file_bytes + limits.INFLATE_RATIO_FROM_BYTES)
    for info in infos:
        if info.is_dir():
            continue
        body = _inflate(archive, info, room - total)
        total += len(body)
        if body.startswith(LOCAL_HEADER):
            raise UnsafeArchiveError("This archive holds another archive; unpack that one and give it alone.")
        members[info.filename] = body
    return members


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, room: int) -> bytes:
    cap = min(limits.JSON_BYTES if info.filename == CARD_PATH else limits.ASSET_BYTES, room)
    ratio_cap = max(limits.INFLATE_RATIO_FROM_BYTES, limits.INFLATE_RATIO * info.compress_size)
    pieces: list[bytes] = []
    size = 0
    with archive.open(info) as member:
        while piece := member.read(_PIECE_BYTES):
            size += len(piece)
            if size > cap or size > ratio_cap:
                raise _too_large()
            pieces.append(piece)
    return b"".join(pieces)


def _too_many() -> TooLargeError:
    return TooLargeError("This archive holds more than %(limit)s files.", limit=limits.ASSET_COUNT)


def _too_large() -> TooLargeError:
    return TooLargeError(
        "This archive unpacks to more than a card may hold (%(one)s MB a file, %(total)s MB in all, %(ratio)s times "
        "its size).",
        one=limits.ASSET_BYTES // limits.MB,
        total=limits.ASSET_TOTAL_BYTES // limits.MB,
        ratio=limits.INFLATE_RATIO,
    )
