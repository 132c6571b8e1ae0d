"""Reading a card file: bytes in, one reading with its dry-run report out."""

from collections.abc import Mapping

from studio.cards import containers, decorators, macros, round_trip
from studio.cards.documents import Json, clean_text, parse_document
from studio.cards.errors import CardError
from studio.cards.formats.base import V1_KEYS, V3_ONLY_KEYS
from studio.cards.normalise import MirrorDifference, Normalised, content_hash, normalise, root_differences
from studio.cards.notes import Notebook
from studio.cards.pictures import inspect_picture
from studio.cards.reading import CardReading, Picture, fields_found

_PROMPTED = (*V1_KEYS[1:], "system_prompt", "post_history_instructions")
_URI_SCHEMES = ("embeded://", "embedded://", "__asset:")


def read_card(data: bytes, *, filename: str = "") -> CardReading:
    """The card in a PNG, APNG, JSON, YAML, CHARX, BYAF, WebP, or a JPEG or PNG with a CHARX behind it.

    The bytes alone decide what the file is; `filename` only gives a nameless card its name in a warning. Pure and
    repeatable: equal bytes give an equal reading. Raises a CardError with one sentence for everything that is no
    card, and nothing else; limits are enforced before the memory is spent.
    """
    notes = Notebook()
    opened = containers.open_container(data, notes)
    raw, payload, normalised, used = _best_payload(opened, notes)
    if not normalised.card["data"]["name"].strip() and filename:
        notes.warn("name_from_file", "data.name", "The file is called %(filename)s.", filename=clean_text(filename))
    picture = _picture(opened, normalised.card, notes)
    _note_single_braces(normalised.card, notes)
    differences = [
        *root_differences(raw, normalised.card),
        *_copy_differences(opened, used, normalised),
    ]
    if differences:
        keys = ", ".join(dict.fromkeys(difference.key for difference in differences))
        notes.warn(
            "mirror_differs",
            "",
            "The file gives some fields twice with different texts; those under “data” are used (%(keys)s).",
            keys=keys,
        )
    return CardReading(
        container=opened.container,
        kind=normalised.format.key,
        spec_version=normalised.format.spec_version,
        raw=raw,
        raw_bytes=payload,
        card=normalised.card,
        content_hash=content_hash(normalised.card),
        repairs=notes.repairs,
        warnings=notes.warnings,
        kept=notes.kept,
        mirror_differences=tuple(differences),
        fields=fields_found(normalised.card),
        picture=picture,
        assets=opened.assets,
    )


def asset_path(uri: str) -> str | None:
    """The path inside the file that an asset's URI names, in any spelling; None for other URIs."""
    for scheme in _URI_SCHEMES:
        if uri.startswith(scheme):
            return uri.removeprefix(scheme)
    return None


def _note_single_braces(card: Json, notes: Notebook) -> None:
    """Backyard's macros are for the editor's check, which mends them where a person asks for it; here they are named."""
    data = card["data"]
    for key in _PROMPTED:
        if macros.has_single_braces(data[key]):
            notes.warn(
                "single_braces", f"data.{key}", "Macros stand in single braces, which other programs don't read."
            )
    if any(map(macros.has_single_braces, data["alternate_greetings"])):
        notes.warn(
            "single_braces",
            "data.alternate_greetings[*]",
            "Macros stand in single braces, which other programs don't read.",
        )


def _best_payload(opened: containers.Opened, notes: Notebook) -> tuple[Json, bytes, Normalised, str]:
    """The first payload that reads; a broken ccv3 falls back to chara with a warning."""
    failure: CardError | None = None
    for name, payload in opened.payloads.items():
        attempt = Notebook()
        try:
            raw = parse_document(payload, attempt)
            normalised = normalise(raw, attempt)
        except CardError as error:
            failure = failure or error
            notes.warn("broken_chunk", name, "One of the card's two copies in the picture cannot be read.")
            continue
        notes.extend(attempt)
        return raw, payload, normalised, name
    raise failure or CardError("This file holds no character card.")


def _copy_differences(opened: containers.Opened, used: str, normalised: Normalised) -> list[MirrorDifference]:
    """Where the V2 copy in the same picture says something else; V3's own keys and decorators aside."""
    if used != "ccv3" or "chara" not in opened.payloads:
        return []
    silent = Notebook()
    try:
        other = normalise(parse_document(opened.payloads["chara"], silent), silent)
    except CardError:
        return []
    ours, theirs = _comparable(normalised.card), _comparable(other.card)
    return [
        MirrorDifference("chara", key, ours.get(key), theirs.get(key))
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]


def _comparable(card: Json) -> Json:
    data = {key: value for key, value in card["data"].items() if key not in V3_ONLY_KEYS}
    data["creator_notes"] = data["creator_notes"].removesuffix(round_trip.V2_NOTICE).strip()
    book = data.get("character_book")
    if book:
        entries = [
            {
                **{key: value for key, value in entry.items() if key not in {"use_regex", "id"}},
                "content": decorators.split(entry["content"])[1],
            }
            for entry in book["entries"]
        ]
        data["character_book"] = {**book, "entries": entries}
    return data


def _picture(opened: containers.Opened, card: Json, notes: Notebook) -> Picture | None:
    if opened.picture is not None and opened.header is not None:
        return Picture(opened.picture, opened.header)
    icons = [asset for asset in card["data"].get("assets", []) if asset["type"] == "icon"]
    icons.sort(key=lambda asset: asset["name"] != "main")
    uris: list[str] = [asset["uri"] for asset in icons]
    # A card of an older format in a CHARX names no assets; the folder rule still says which picture is the icon.
    uris += [f"embeded://{path}" for path in opened.assets if path.startswith("assets/icon/")]
    for uri in uris:
        try:
            data = _asset_bytes(uri, opened.assets)
            if data is not None:
                return Picture(data, inspect_picture(data))
        except CardError as error:
            notes.warn("icon_unusable", uri[:80], "The card's icon cannot be used: %(reason)s", reason=str(error))
    return None


def _asset_bytes(uri: str, assets: Mapping[str, bytes]) -> bytes | None:
    """The bytes that a URI names inside the file or holds itself; nothing is ever fetched."""
    if (path := asset_path(uri)) is not None:
        return assets.get(path)
    head, separator, body = uri.partition(";base64,")
    if separator and head.startswith("data:"):
        return containers.unpack_base64(body.encode())
    return None
