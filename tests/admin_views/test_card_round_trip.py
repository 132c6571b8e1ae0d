"""In through the screen and out through the screen: only what the reports and the dates name is another."""

import html
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.accounts.permissions import RoleName
from studio.authoring import characters, exports
from studio.authoring.models import Character
from studio.cards.normalise import normalise
from studio.cards.png import walk
from studio.cards.reader import read_card
from studio.providers import storage as storages
from tests.cards.builders import sample_cards
from tests.factories.accounts import make_user
from tests.factories.authoring import NOW, card_document, import_character

DATED = {"data.modification_date"}
RESPELT = {"spec", "spec_version"}
"""What being V3 says of itself; a V2 card that becomes V3 changes it."""

DEFAULTS: tuple[Any, ...] = ("", [], {}, False)


@pytest.fixture
def storage(settings):
    return storages.from_settings(settings)


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every place where two JSON values differ: its path with `[*]` for indexes, and both values (None where absent)."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            yield from differences(one, other, f"{path}[*]")
    elif old != new:
        yield path, old, new


def through_the_screen(session, browser, post, data: bytes, name: str, **form: str) -> bytes:
    """The file that comes out when this one went in."""
    report = post(browser, "/imports/", card=(BytesIO(data), name))
    # The test client keeps a large body in a file of its own and leaves it open.
    report.request.environ["wsgi.input"].close()
    assert report.status_code == 303, report.text
    made = post(browser, f"{report.location}/confirm")
    assert made.status_code == 303, made.text
    wanted = "&".join(f"{key}={value}" for key, value in {"to": "v3", "as": "png", **form}.items())
    answer = browser.get(f"{made.location}/export/file?{wanted}")
    assert answer.status_code == 200
    return answer.data


def is_told(where: str, told: str) -> bool:
    """Whether the export's page names this place; a mirror at the root follows the data, and is named as that."""
    return f"<code>{where}</code>" in told or f"<code>data.{where}</code>" in told


class TestRealCards:
    @pytest.mark.parametrize("path", sample_cards(), ids=lambda path: path.name)
    def test_come_back_as_v3_pictures_but_for_what_is_named(self, session, browser, post, path):
        data = path.read_bytes()
        before = read_card(data, filename=path.name)
        after = read_card(through_the_screen(session, browser, post, data, path.name))
        if before.kind in {"v2", "v3"}:
            old, new = before.raw, after.raw
        else:
            # Another format has other names: what it says is compared, and that nothing of it is gone.
            old, new = before.card, after.card
        named = {note.path for note in before.repairs} | DATED | RESPELT
        mirrored = {note.path.removeprefix("data.") for note in before.repairs}
        mirrored |= {difference.key for difference in before.mirror_differences}
        # What is added says nothing, and the page of the export names it.
        made = session.scalar(sa.select(Character.id).order_by(Character.id.desc()))
        told = html.unescape(browser.get(f"/characters/{made}/export?to=v3&as=png").text)
        for where, one, other in differences(old, new):
            is_named = any(where == place or where.startswith((f"{place}.", f"{place}[")) for place in named if place)
            is_mirror = where.split(".")[0].split("[")[0] in mirrored
            is_filled = other in DEFAULTS and (one in DEFAULTS or (one is None and is_told(where, told)))
            assert is_named or is_mirror or is_filled, f"{where}: {str(one)[:80]!r} became {str(other)[:80]!r}"
        assert after.content_hash == before.content_hash
        assert set(after.kept) >= {kept for kept in before.kept if before.kind in {"v2", "v3"}}

    @pytest.mark.parametrize("path", sample_cards()[:6], ids=lambda path: path.name)
    def test_keep_every_pixel(self, session, browser, post, path):
        data = path.read_bytes()
        if not data.startswith(b"\x89PNG"):
            pytest.skip("it holds no picture")
        made = through_the_screen(session, browser, post, data, path.name)

        def pixels(file: bytes) -> list[bytes]:
            return [file[part.start : part.start + part.length] for part in walk(file).chunks if part.kind == b"IDAT"]

        assert pixels(made) == pixels(data)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(max_size=12).filter(lambda text: "\0" not in text)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abyz", min_size=1), inner, max_size=3)
)
STRANGERS = st.dictionaries(st.text("xyz_", min_size=2, max_size=6).map(lambda key: f"x_{key}"), VALUES, max_size=3)


class TestUnknownKeys:
    @given(levels=st.tuples(*[STRANGERS] * 7))
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_survive_at_every_level_while_one_field_is_edited(self, session, storage, owner, levels):
        root, data, extensions, book, book_extensions, entry, asset = levels
        document = card_document(
            **data,
            extensions={"somebody/else": {"kept": True}, **extensions},
            assets=[{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png", **asset}],
            character_book={
                **book,
                "extensions": book_extensions,
                "entries": [
                    {
                        "keys": ["k"],
                        "content": "c",
                        "extensions": dict(entry),
                        "enabled": True,
                        "insertion_order": 1,
                        "use_regex": False,
                        **entry,
                    }
                ],
            },
        )
        document |= root
        card = normalise(document).card
        character = import_character(
            session, actor=owner.actor, storage=storage, data=json.dumps(document).encode(), filename="card.json"
        )
        characters.update(
            session,
            actor=owner.actor,
            character_id=character.id,
            row_version=character.row_version,
            changes={"personality": "calm at last"},
            now=NOW + timedelta(hours=1),
        )
        for as_ in ("json", "png", "charx"):
            made = exports.export_card(
                session, actor=owner.actor, storage=storage, character_id=character.id, to="v3", as_=as_, now=NOW
            )
            back = read_card(made.data)
            assert {place for place, _, _ in differences(document, back.raw)} <= {"data.personality", *DATED}
            assert back.card["data"]["personality"] == "calm at last"
            assert card["data"]["extensions"] == back.card["data"]["extensions"]


class Listener(BaseHTTPRequestHandler):
    """Notes that somebody came."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(404)
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_words: object) -> None:
        """Nothing is written anywhere."""


class TestAddressesInCards:
    def test_are_shown_as_text_and_asked_by_nobody(self, session, browser, post):
        Listener.seen = []
        with HTTPServer(("127.0.0.1", 0), Listener) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            place = f"http://127.0.0.1:{server.server_port}"
            document = card_document(
                description=f'<img src="{place}/a.png"><script src="{place}/b.js"></script> ![c]({place}/c.png)',
                first_mes=f'<iframe src="{place}/d"></iframe>',
                assets=[{"type": "icon", "uri": f"{place}/e.png", "name": "main", "ext": "png"}],
                source=[f"{place}/f"],
            )
            data = json.dumps(document).encode()
            for as_ in ("png", "charx", "json"):
                through_the_screen(session, browser, post, data, "card.json", **{"as": as_})
            character_id = session.scalar(sa.select(Character.id))
            for address in (f"/characters/{character_id}", f"/characters/{character_id}/export", "/imports/"):
                page = browser.get(address).text
                for tag in ('<img src="http', '<script src="http', "<iframe"):
                    assert tag not in page, address
            server.shutdown()
            thread.join()
        assert Listener.seen == []
