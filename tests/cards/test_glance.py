"""What a file looks like before anybody reads it."""

import io
import zipfile

import pytest

from studio.cards.glance import Glance, glance
from tests.factories.authoring import card_file, json_card
from tests.factories.media import picture


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "looks"),
    [
        (card_file(), Glance.CARD),
        (card_file("charx"), Glance.CARD),
        (json_card(), Glance.CARD),
        (b"\xef\xbb\xbf  \n" + json_card(), Glance.CARD),
        (b'{"entries": {"0": {"uid": 0, "key": ["sea"], "content": "The sea', Glance.LOREBOOK),
        (b'{"spec": "lorebook_v3", "data": {"entries": []}}', Glance.LOREBOOK),
        (b'{"name": "Sea", "extensions": {"spec": 1}, "entries": []}', Glance.LOREBOOK),
        (b'{"kind": "character", "name": "Ada", "memoryBook": {"kind": "memory", "entries": []}}', Glance.CARD),
        (b'{"name": "Ada", "first_mes": "\\"}{", "entries": 1}', Glance.CARD),
        (b"name: Ada\ncontext: A writer.\n", Glance.CARD),
        ("名字：".encode() * 3_000, Glance.BROKEN),
        (picture(), Glance.PICTURE),
        (b"GIF89a....", Glance.PICTURE),
        (zipped(a_json=json_card(), b_json=json_card()), Glance.ARCHIVE),
        (b"", Glance.BROKEN),
        (b"Just a letter to a friend.", Glance.BROKEN),
        (b"\x00\x01\x02", Glance.BROKEN),
        (card_file()[:200], Glance.BROKEN),
        (b"PK\x03\x04 and nothing more", Glance.BROKEN),
    ],
)
def test_is_told_from_the_first_bytes_and_the_names_of_parts(data, looks):
    assert glance(data) is looks


def test_finds_a_card_in_every_real_card(samples):
    for path in sorted((samples / "cards").rglob("*"))[:60]:
        if path.suffix in {".png", ".json", ".charx", ".webp"}:
            assert glance(path.read_bytes()) in {Glance.CARD, Glance.PICTURE, Glance.ARCHIVE, Glance.LOREBOOK}, path
