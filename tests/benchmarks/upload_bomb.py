"""What a decompression bomb costs in memory, beside Pillow's default; and whether memory stays flat over many uploads."""

import io
import multiprocessing
import os
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from time import process_time

from PIL import Image

from studio.kit.errors import InvalidError
from studio.media import files, rules
from studio.media.errors import UnusableFileError
from studio.providers.storage import LocalStorage, key_of
from tests.benchmarks.harness import Context, Result

_SIDE = 9_400
"""88 megapixels: as many as Pillow decodes by default without a word."""

_MANY_PARTS = {
    "JPEG": lambda head, size: head[:2] + b"\xff\xdb\x00\x02" * (size // 4) + head[2:],
    "WebP": lambda head, size: head + b"JUNK\0\0\0\0" * (size // 8),
    "GIF": lambda head, size: head[:-1] + b"!\xfe" + (b"\xff" + bytes(255)) * (size // 256) + b"\0;",
}
"""Small pictures of megabytes of headers, of each of which a decoder makes an object or a copy."""

_MB = 1_000_000
_UPLOAD = 20 * _MB - 200_000


def run(context: Context) -> list[Result]:
    """Peak memory over idle, each side in a process of its own."""
    with context.step("a bomb"):
        bomb = _bomb(context.size(_SIDE, 7_000))
    ours, plain = _apart(_refuse, bomb), _apart(_decode, bomb)
    headers = _headers(context)
    uploads = int(os.environ.get("STUDIO_BENCH_UPLOADS") or context.size(1_000, 6))
    with context.step(f"{uploads} uploads of 20 MB"):
        growth = _apart(_upload_many, struct.pack(">I", uploads))
    return [
        Result(
            f"a bomb of {len(bomb) / 1000:.0f} kB, {_SIDE**2 / 1e6:.0f} megapixels",
            "MB over idle",
            ours,
            plain,
            "Pillow's default",
            goal=2.0,
            at_most=True,
        ),
        *headers,
        Result(f"memory after {uploads} uploads of 20 MB", "MB over the first ten", growth, goal=30.0, at_most=True),
    ]


def _headers(context: Context) -> list[Result]:
    """Seconds and megabytes for 2 MB of empty segments, beside Pillow's default."""
    results = []
    for kind, made in _MANY_PARTS.items():
        out = io.BytesIO()
        Image.new("RGB", (64, 64), "green").save(out, kind)
        bomb = made(out.getvalue(), context.size(2 * _MB, 200_000))
        name = f"{len(bomb) / 1000:.0f} kB of empty parts in a {kind} picture"
        ours, plain = (_apart(side, bomb) for side in (_refuse_seconds, _decode_seconds))
        results.append(Result(name, "seconds", ours, plain, "Pillow's default", goal=0.1, at_most=True))
        ours, plain = (_apart(side, bomb) for side in (_refuse, _decode))
        results.append(Result(name, "MB over idle", ours, plain, "Pillow's default", goal=2.0, at_most=True))
    return results


def _refuse_seconds(bomb: bytes, _folder: Path) -> float:
    files.checked_picture(_small())
    begun = process_time()
    _refused(bomb)
    return process_time() - begun


def _decode_seconds(bomb: bytes, _folder: Path) -> float:
    Image.open(io.BytesIO(_small())).load()
    begun = process_time()
    Image.open(io.BytesIO(bomb)).load()
    return process_time() - begun


def _apart(side: Callable[[bytes, Path], float], data: bytes) -> float:
    """The megabytes that `side` tells, measured in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_told, args=(side, data, sender))
    process.start()
    sender.close()
    value = float(receiver.recv())
    process.join()
    return value


def _told(side: Callable[[bytes, Path], float], data: bytes, sender: "multiprocessing.connection.Connection") -> None:
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        sender.send(side(data, Path(folder)))


def _refuse(bomb: bytes, _folder: Path) -> float:
    files.checked_picture(_small())
    return _peak_over_idle(lambda: _refused(bomb))


def _refused(bomb: bytes) -> None:
    try:
        files.checked_picture(bomb)
    except InvalidError as error:
        if isinstance(error, UnusableFileError):
            raise TypeError("the bomb was decoded before it was refused") from error
        return
    raise TypeError("the bomb was taken")


def _decode(bomb: bytes, _folder: Path) -> float:
    Image.open(io.BytesIO(_small())).load()

    def load() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(bomb)).load()

    return _peak_over_idle(load)


def _upload_many(count: bytes, folder: Path) -> float:
    """Everything that an upload costs but the database: put together, looked at, cleaned, stored, dropped again."""
    (many,) = struct.unpack(">I", count)
    storage = LocalStorage(folder / "media")
    base = _large()
    first = 0.0
    for number in range(many):
        data = bytes(memoryview(base))
        with tempfile.NamedTemporaryFile(dir=folder) as held:
            for start in range(0, len(data), rules.MOST_UPLOADED):
                held.write(data[start : start + rules.MOST_UPLOADED])
            held.flush()
            clean, _facts = files.checked_picture(Path(held.name).read_bytes())
        key = key_of(f"{number:064x}")
        storage.put(key, clean)
        storage.delete(key)
        del data, clean
        if number == min(9, many // 2):
            first = _resident()
    return max(0.0, _resident() - first)


def _peak_over_idle(act: Callable[[], None]) -> float:
    """Megabytes of memory that `act` needed at its highest beside what was there before."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmHWM")
    act()
    return max(0.0, _status("VmHWM") - before)


def _resident() -> float:
    return _status("VmRSS")


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / _MB


def _small() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "green").save(out, "PNG")
    return out.getvalue()


def _large() -> bytes:
    """A PNG of nearly 20 MB whose pixels are stored as they are."""
    side = int((_UPLOAD / 3) ** 0.5)
    out = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(out, "PNG", compress_level=0)
    return out.getvalue()


def _bomb(side: int) -> bytes:
    """A PNG of one colour, as large as it can be."""
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(side * 3)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
