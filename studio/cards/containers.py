"""The files that hold cards: told apart by their bytes, and opened to the JSON inside."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.cards import archives, limits, png, webp
from studio.cards.documents import dump_document, no_object, parse_document
from studio.cards.errors import CardError, DamagedError, NotACardError, PictureError, TooLargeError
from studio.cards.formats import byaf
from studio.cards.notes import Notebook
from studio.cards.pictures import PictureHeader, inspect_picture, is_svg
from studio.cards.yaml_text import parse_yaml

_URLSAFE = bytes.maketrans(b"-_", b"+/")
_NO_CARD = "This picture holds no character card; ask for the original file, since chats and social sites strip it."


@dataclass(frozen=True)
class Opened:
    """A container's content: candidate payloads by the chunk's name, best first, and what came with them."""

    container: str
    payloads: Mapping[str, bytes]
    picture: bytes | None = None
    header: PictureHeader | None = None
    assets: Mapping[str, bytes] = field(default_factory=dict)


def open_container(data: bytes, notes: Notebook) -> Opened:
    """Opens PNG, APNG, JSON, YAML, CHARX (also behind a PNG or JPEG), BYAF and WebP; names play no part.

    Raises NotACardError, DamagedError, EncryptedError, TooLargeError, UnsafeArchiveError or PictureError.
    """
    if len(data) > limits.FILE_BYTES:
        raise TooLargeError("The file has more than %(limit)s MB.", limit=limits.FILE_BYTES // limits.MB)
    if data.startswith(png.SIGNATURE):
        return _open_png(data, notes)
    if data.startswith(archives.LOCAL_HEADER):
        return _open_charx("charx", data, notes)
    if data.startswith(b"\xff\xd8\xff"):
        if not archives.holds_archive(data):
            inspect_picture(data)
            raise NotACardError(_NO_CARD)
        return _open_charx("jpeg_charx", data, notes)
    if webp.is_webp(data):
        return _open_webp(data)
    return _open_text(data, notes)


def unpack_base64(text: bytes) -> bytes:
    """The JSON bytes of a chunk's value: base64 in either alphabet, padded or not, or the JSON itself.

    Raises DamagedError where it is neither.
    """
    packed = text.translate(None, b" \t\r\n\v\f")
    if packed.startswith((b"{", b"rcc||")):
        return text.strip()
    packed = packed.translate(_URLSAFE).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        raise DamagedError("The card's text in this picture is not valid base64; export the card again.") from None


def _open_png(data: bytes, notes: Notebook) -> Opened:
    header = inspect_picture(data)
    walked = png.walk(data)
    for kind in png.bad_checksums(walked, data):
        notes.warn(
            "bad_checksum",
            kind,
            "A part of the picture has a wrong checksum; the file may be damaged (%(kind)s).",
            kind=kind,
        )
    texts, assets = _texts_and_assets(walked, data, notes)
    if not texts and archives.LOCAL_HEADER in data[walked.end : walked.end + 4]:
        return _open_charx("png_charx", data, notes)
    if walked.end < len(data):
        notes.warn("trailing_bytes", "", "Bytes after the picture's end were ignored.")
    payloads: dict[str, bytes] = {}
    failure: CardError | None = None
    for keyword in ("ccv3", "chara"):
        if keyword not in texts:
            continue
        try:
            payloads[keyword] = unpack_base64(png.text_of(texts[keyword], limit=limits.TEXT_CHUNK_BYTES))
        except CardError as error:
            failure = failure or error
            notes.warn("broken_chunk", keyword, "One of the card's two copies in the picture cannot be read.")
    if not payloads:
        raise failure or NotACardError(_NO_CARD)
    return Opened("apng" if header.is_animated else "png", payloads, data, header, assets)


def _texts_and_assets(
    walked: png.Walked, data: bytes, notes: Notebook
) -> tuple[dict[str, png.TextChunk], dict[str, bytes]]:
    texts: dict[str, png.TextChunk] = {}
    assets: dict[str, bytes] = {}
    total = 0
    for chunk in png.text_chunks(walked, data):
        if chunk.keyword.lower().startswith(png.ASSET_PREFIX):
            if len(assets) >= limits.ASSET_COUNT:
                raise TooLargeError("This picture holds more than %(limit)s assets.", limit=limits.ASSET_COUNT)
            path = chunk.keyword[len(png.ASSET_PREFIX) :].removeprefix(":")
            assets[path] = unpack_base64(png.text_of(chunk, limit=limits.ASSET_BYTES // 3 * 4))
            total += len(assets[path])
            if total > limits.ASSET_TOTAL_BYTES:
                raise TooLargeError("This picture's assets are too large together.")
        elif chunk.keyword in {"chara", "ccv3"}:
            if chunk.keyword in texts:
                notes.warn(
                    "repeated_chunk", chunk.keyword, "The picture holds this copy of the card twice; the first counts."
                )
            texts.setdefault(chunk.keyword, chunk)
        else:
            notes.warn(
                "foreign_text",
                chunk.keyword,
                "The picture carries other text, perhaps a private prompt (%(keyword)s); an export leaves it out.",
                keyword=chunk.keyword,
            )
    return texts, assets


def _open_charx(container: str, data: bytes, notes: Notebook) -> Opened:
    archive = archives.read_archive(data)
    members = dict(archive.members)
    if archives.CARD_PATH not in members:
        if byaf.MANIFEST_PATH in members:
            return _open_byaf(members, notes)
        raise NotACardError(
            "This archive is no card: it holds neither a card.json (CHARX) nor a manifest.json (BYAF). An archive "
            "of many cards is brought in under “Many cards at once”."
        )
    card = members.pop(archives.CARD_PATH)
    if container == "charx":
        return Opened(container, {archives.CARD_PATH: card}, assets=members)
    picture = data[: archive.start]
    return Opened(container, {archives.CARD_PATH: card}, picture, inspect_picture(picture), members)


def _open_webp(data: bytes) -> Opened:
    header = inspect_picture(data)
    payload = webp.card_text(data)
    if payload is None:
        raise NotACardError(_NO_CARD)
    return Opened("webp", {"UserComment": payload}, data, header)


def _open_byaf(members: dict[str, bytes], notes: Notebook) -> Opened:
    """The archive's JSON files as one document; its pictures, and the characters behind the first, beside it."""
    manifest = parse_document(members.pop(byaf.MANIFEST_PATH), notes)
    named = _paths(manifest.get("characters"))
    if not named or named[0] not in members:
        raise NotACardError("This Backyard archive names no character that it holds; export it again.")
    if len(named) > 1:
        notes.warn("more_characters", "", "The archive holds more characters; the first was read.")
    character = parse_document(members.pop(named[0]), notes)
    scenarios = []
    for path in _paths(manifest.get("scenarios")):
        try:
            scenarios.append(parse_document(members.pop(path, b""), notes))
        except CardError:
            notes.warn("scenario_unreadable", path, "A scenario of the archive cannot be read and was left out.")
    document = dict(zip(byaf.ENVELOPE, (manifest, character, scenarios), strict=True))
    return Opened("byaf", {"byaf": dump_document(document)}, assets=members)


def _paths(value: object) -> list[str]:
    return [path for path in value if isinstance(path, str)] if isinstance(value, list) else []


def _open_text(data: bytes, notes: Notebook) -> Opened:
    head = data[:64].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")
    if not head:
        raise NotACardError("This file is empty.")
    if head.startswith((b"{", b"[", b"rcc||")):
        return Opened("json", {"json": data})
    if is_svg(data):
        raise PictureError("SVG drawings are not taken, since they can hold scripts; save it as PNG.")
    value = parse_yaml(data, notes)
    if not isinstance(value, dict):
        raise no_object(value)
    return Opened("yaml", {"yaml": dump_document(value)})
