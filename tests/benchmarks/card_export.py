"""Exporting a card of 2 MB, with all that the studio does to it, and only parsing and writing its JSON."""

import io
import json
from collections.abc import Callable

from PIL import Image

from studio.accounts.models import User
from studio.authoring import card_imports, exports
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.media.models import MediaFile, MediaPurpose
from studio.providers import storage as storages
from tests.benchmarks.cards import large_card
from tests.benchmarks.harness import Context, Result, in_turns
from tests.benchmarks.rows import add_people
from tests.benchmarks.servers import servers

GOAL = 3.0
_FORMS = ("json", "charx", "png")


def run(context: Context) -> list[Result]:
    """How many times as long each form takes as parsing and writing; the goal is for JSON, PNG writes the card twice."""
    raw = large_card() if not context.quick else large_card(entries=20, size=100_000)
    with servers(context.folder) as here:
        _staff, (owner_id, *_) = add_people(here, 1)
        storage = storages.from_settings(here.settings)
        with session_scope(here.engine) as session:
            actor = session.get_one(User, owner_id).actor
            now = utc_now()
            document = card_imports.preview(
                session, actor=actor, storage=storage, data=raw, filename="large.json", now=now
            )
            character = card_imports.confirm(session, actor=actor, document_id=document.id, now=now)
            portrait = MediaFile(owner_id=owner_id, purpose=MediaPurpose.PORTRAIT, **_portrait(storage))
            session.add(portrait)
            session.flush()
            character.portrait_id = portrait.id
            character_id = character.id

        def exported(form: str) -> Callable[[], int]:
            def once() -> int:
                with session_scope(here.engine) as session:
                    made = exports.export_card(
                        session,
                        actor=actor,
                        storage=storage,
                        character_id=character_id,
                        to="v3",
                        as_=form,
                        now=utc_now(),
                    )
                    return int(len(made.data) > 0)

            return once

        def plain() -> int:
            return int(len(json.dumps(json.loads(raw), ensure_ascii=False).encode()) > 0)

        sides = {form: exported(form) for form in _FORMS} | {"plain": plain}
        rates = in_turns(sides, rounds=context.size(7, 1), seconds=context.size(2, 0))
    return [
        Result(
            f"export of {len(raw) / 1e6:.1f} MB as {form}",
            "ms",
            1_000 / rates[form],
            1_000 / rates["plain"],
            "parsing and writing its JSON",
            ratio=rates["plain"] / rates[form],
            goal=GOAL if form == "json" else None,
            at_most=True,
        )
        for form in _FORMS
    ]


def _portrait(storage: storages.Storage) -> dict[str, object]:
    """A picture of 400 × 600, stored."""
    import hashlib

    buffer = io.BytesIO()
    Image.new("RGB", (400, 600), (90, 60, 140)).save(buffer, "PNG")
    data = buffer.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    storage.put(storages.key_of(sha256), data)
    return {"sha256": sha256, "size_bytes": len(data), "media_type": "image/png", "width": 400, "height": 600}
