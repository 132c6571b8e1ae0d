"""Writing a card file: a document or a reading in, one file and its loss report out."""

import base64
import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from studio.cards import archives, limits, png, portraits, round_trip, webp
from studio.cards.convert import added, backfill, convert
from studio.cards.documents import Json, check_depth, check_structure, dump_document
from studio.cards.errors import CardError, ExportError
from studio.cards.normalise import Normalised
from studio.cards.notes import Note
from studio.cards.pictures import inspect_picture
from studio.cards.reader import asset_path
from studio.cards.reading import CardReading

MEDIA_TYPES = {
    "png": "image/png",
    "json": "application/json",
    "charx": "application/zip",
    "webp": "image/webp",
}
_NAME_LENGTH = 80
_LOST_IN_V2 = "V2 cannot say this; it is left out."
_READABLE_BYTES = 200_000


@dataclass(frozen=True)
class Export:
    """A card file, ready to be sent: `loss` names what its readers will not see, before anybody downloads it.

    `added` names what the file has since its format demands it, and the card had not.
    """

    data: bytes = field(repr=False)
    media_type: str
    filename: str
    loss: tuple[Note, ...] = ()
    added: tuple[Note, ...] = ()


def write_card(
    source: CardReading | Mapping[str, Any],
    *,
    to: str,
    as_: str,
    now: datetime | None,
    picture: bytes | None = None,
    assets: Mapping[str, bytes] | None = None,
    keep_metadata: bool = False,
    source_url: str | None = None,
    is_public: bool = False,
    is_storable: bool = False,
    known: Normalised | None = None,
) -> Export:
    """The card as `to` v1, v2 or v3 in a file `as_` png, json, charx or webp.

    `source` is a stored document or a whole reading, whose own picture and assets then count unless others are
    given. Reading the result gives the same card, dates and named losses aside. Equal arguments give equal bytes.
    A PNG's image data is copied untouched, other pictures are converted where PNG is asked, and a PNG without any
    picture shows "no portrait". Without `keep_metadata` other texts, EXIF and places are left out of the picture.
    With `is_public` our own extension is left out, and with it what only the studio can read back.
    `is_storable` says that `source` came from `parse_document` or `apply_edits` and need not be cleaned again,
    `known` is its normalised form where the caller has it, which is used up.
    Raises ExportError, CardError (no card) or what `inspect_picture` raises.
    """
    if as_ not in MEDIA_TYPES:
        raise ExportError("Cards are written as png, json, charx or webp, not as %(form)s.", form=as_)
    if isinstance(source, CardReading):
        if picture is None and source.picture is not None:
            picture = source.picture.data
        assets = assets if assets is not None else source.assets
        raw: Mapping[str, Any] = source.raw
        is_storable = True
    else:
        raw = source
    document, loss = convert(raw, to=to, now=now, source_url=source_url, is_storable=is_storable, known=known)
    notes = [_lost_for_good(note) for note in loss] if is_public else list(loss)
    if is_public and round_trip.holds_own(document):
        notes.append(
            Note("own_left_out", "data.extensions.greenroom", "What only the studio knows is left out of the file.")
        )
    more = added(raw, document)
    parts = _Parts(document, picture, dict(assets or {}), keep_metadata, is_public, notes)
    data = {"png": _png, "json": _json, "charx": _charx, "webp": _webp}[as_](parts)
    name = str(document.get("data", document).get("name") or "")
    return Export(data, MEDIA_TYPES[as_], f"{file_stem(name)}.{as_}", tuple(notes), more)


def _lost_for_good(note: Note) -> Note:
    """What V2 cannot say is kept in our extension; without that it does not come back."""
    return replace(note, code="lost_in_v2", message=_LOST_IN_V2) if note.code == "hidden_in_v2" else note


def file_stem(name: str) -> str:
    """The character's name as a file name without extension: letters of all scripts, nothing that paths understand."""
    kept = "".join(_fit_for_a_file(letter) for letter in name).strip(" _·-")[:_NAME_LENGTH].strip()
    # Signs without a letter or digit among them (a name of emoji, say) are nothing that anybody could read.
    return kept if any(letter.isalnum() for letter in kept) else "character"


def _fit_for_a_file(letter: str) -> str:
    # How a sign is drawn (in colour, say) is no part of a name.
    if "\ufe00" <= letter <= "\ufe0f":
        return ""
    is_kept = letter.isalnum() or unicodedata.category(letter) in {"Mn", "Mc"} or letter in "-_ ·"
    return letter if is_kept else "_"


@dataclass
class _Parts:
    """What a writer of one container works on; `notes` collects its losses."""

    document: Json
    picture: bytes | None
    assets: dict[str, bytes]
    keep_metadata: bool
    is_public: bool
    notes: list[Note]

    def text(self, document: Json, *, is_for_people: bool = False) -> bytes:
        """A document of this card as the file says it."""
        shown = round_trip.without_own(document) if self.is_public else document
        return _dumped(shown, is_for_people=is_for_people)


def _json(parts: _Parts) -> bytes:
    if parts.picture is not None:
        parts.notes.append(Note("picture_left", "", "A JSON file holds no picture; take PNG or CHARX to keep it."))
    if parts.assets:
        parts.notes.append(_assets_left(parts))
    return parts.text(parts.document, is_for_people=True)


def _png(parts: _Parts) -> bytes:
    if parts.picture is None:
        base = portraits.placeholder()
        parts.notes.append(_no_portrait())
    else:
        base = portraits.as_png(parts.picture)
        if base is not parts.picture:
            parts.notes.append(Note("picture_converted", "", "The portrait was converted to PNG."))
    is_v3 = parts.document.get("spec") == "chara_card_v3"
    texts = [("ccv3", base64.b64encode(parts.text(parts.document)))] if is_v3 else []
    # Readers that know no V3, and those that take only the first text they know, find a V2 copy.
    older = backfill(parts.document) if is_v3 else parts.document
    texts.append(("chara", base64.b64encode(parts.text(older))))
    for path, body in parts.assets.items():
        keyword = f"{png.ASSET_PREFIX}:{path}"
        if not keyword.isascii() or len(keyword) > png.KEYWORD_BYTES:
            parts.notes.append(
                Note(
                    "asset_left", path, "An asset's path is too long for a PNG; it is left out. Take CHARX to keep it."
                )
            )
        else:
            texts.append((keyword, base64.b64encode(body)))
    return png.rewrite(base, texts, keep_metadata=parts.keep_metadata)


def _webp(parts: _Parts) -> bytes:
    base = parts.picture if parts.picture is not None else portraits.placeholder()
    if parts.picture is None:
        parts.notes.append(_no_portrait())
    bare = base if parts.keep_metadata else portraits.without_metadata(base)
    picture = portraits.as_webp(bare)
    if picture is not bare and parts.picture is not None:
        parts.notes.append(
            Note("picture_converted", "", "The portrait was converted to WebP, which loses some detail.")
        )
    if parts.document.get("spec") == "chara_card_v3":
        parts.notes.append(
            Note("v3_in_webp", "", "Few applications read WebP cards, and those that do know V1 and V2.")
        )
    if parts.assets:
        parts.notes.append(_assets_left(parts))
    header = inspect_picture(picture)
    # The comment says that it is ASCII, so other letters go in as JSON's escapes.
    text = json.dumps(json.loads(parts.text(parts.document)), ensure_ascii=True, separators=(",", ":")).encode()
    return webp.with_card(picture, text, width=header.width, height=header.height)


def _no_portrait() -> Note:
    return Note("placeholder_picture", "", "The card has no portrait, so the picture only says 'no portrait'.")


def _assets_left(parts: _Parts) -> Note:
    return Note(
        "assets_left",
        "data.assets",
        "This form holds no assets; %(count)s are left out. Take CHARX to keep them.",
        {"count": len(parts.assets)},
    )


def _charx(parts: _Parts) -> bytes:
    members: dict[str, bytes] = {}
    data = parts.document.get("data")
    if parts.document.get("spec") != "chara_card_v3":
        parts.notes.append(Note("old_in_charx", "", "CHARX is made for V3; few applications read older cards from it."))
    named = data.get("assets") if isinstance(data, dict) else None
    if parts.picture is not None and not _is_among_assets(parts.picture, parts.assets, named):
        members |= _icon(parts, data)
    for path, body in parts.assets.items():
        safe = _member_path(path, body, members)
        if safe != path:
            parts.notes.append(Note("asset_renamed", path, "An asset was renamed, since its path is not portable."))
            _repoint(named, path, safe)
        members[safe] = body
    return archives.write_archive({archives.CARD_PATH: parts.text(parts.document, is_for_people=True)} | members)


def _is_among_assets(picture: bytes, assets: Mapping[str, bytes], named: Any) -> bool:
    """Whether an asset already is this portrait; a copy freed of its metadata since the import counts as well."""
    if picture in assets.values():
        return True
    icons = [asset for asset in named if asset["type"] == "icon"] if isinstance(named, list) else []
    paths = [asset_path(asset["uri"]) for asset in icons]
    bare = portraits.without_metadata(picture)
    return any(path in assets and _bare_or_none(assets[path]) == bare for path in paths if path is not None)


def _bare_or_none(data: bytes) -> bytes | None:
    try:
        return portraits.without_metadata(data)
    except CardError:
        return None


def _icon(parts: _Parts, data: Any) -> dict[str, bytes]:
    """The portrait as a member by the folder rule, named by the card where its version can."""
    picture = parts.picture or b""
    bare = picture if parts.keep_metadata else portraits.without_metadata(picture)
    kind = inspect_picture(picture).kind
    path = next(
        candidate
        for number in range(len(parts.assets) + 1)
        if (candidate := f"assets/icon/images/main{number or ''}.{kind}") not in parts.assets
    )
    if parts.document.get("spec") == "chara_card_v3" and isinstance(data, dict):
        _name_icon(parts, data, path, kind)
    return {path: bare}


def _name_icon(parts: _Parts, data: Json, path: str, kind: str) -> None:
    uri = f"embeded://{path}"
    icons = [asset for asset in data.get("assets", []) if asset.get("type") == "icon"]
    main = next((asset for asset in icons if asset.get("name") == "main"), icons[0] if icons else None)
    if main is None or round_trip.is_default_icon(main):
        round_trip.mark_icon(data, uri, kind)
    elif (old := asset_path(main["uri"])) is not None:
        # The portrait was replaced since the card came in: its icon is another picture now.
        parts.assets.pop(old, None)
        main |= {"uri": uri, "ext": kind}


def _member_path(path: str, body: bytes, taken: Mapping[str, bytes]) -> str:
    if path.isascii() and archives.is_safe_path(path) and path not in taken and path != archives.CARD_PATH:
        return path
    suffix = path.rpartition(".")[2].lower()
    ending = f".{suffix}" if suffix.isascii() and suffix.isalnum() and suffix != path.lower() else ""
    return f"assets/other/other/{hashlib.sha256(path.encode(errors='replace') + body).hexdigest()[:20]}{ending}"


def _repoint(assets: Any, path: str, new_path: str) -> None:
    for asset in assets if isinstance(assets, list) else []:
        if asset_path(asset["uri"]) == path:
            asset["uri"] = f"embeded://{new_path}"


def _dumped(document: Json, *, is_for_people: bool = False) -> bytes:
    check_depth(document)
    text = dump_document(document)
    check_structure(text)
    if len(text) > limits.JSON_BYTES:
        raise ExportError(
            "The card's text has more than %(limit)s MB, which no reader takes; shorten it.",
            limit=limits.JSON_BYTES // limits.MB,
        )
    # Nobody reads a large file line by line, and indentation would cost more than all the rest.
    return dump_document(document, indent=2) if is_for_people and len(text) < _READABLE_BYTES else text
