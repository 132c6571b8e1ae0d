"""`studio import-cards`: a folder of cards from a shell."""

import io
import zipfile

import pytest
import sqlalchemy as sa
from rich.console import Console

from studio.accounts.permissions import RoleName
from studio.authoring import card_batches, command
from studio.authoring.models import Character, OnDuplicate
from studio.kit.db import session_scope
from studio.kit.errors import InvalidError, NotFoundError
from tests.factories.accounts import make_user
from tests.factories.authoring import json_card
from tests.factories.media import make_storage


@pytest.fixture
def told():
    return io.StringIO()


@pytest.fixture
def bring(committed_database, tmp_path, told):
    with session_scope(committed_database.engine) as session:
        make_user(session, RoleName.CREATOR, email="ada@example.org")

    def run(folder, *, email="ada@example.org", on_duplicate=OnDuplicate.SKIP) -> int:
        command.import_folder(
            committed_database.engine,
            storage=make_storage(tmp_path / "var"),
            folder=folder,
            email=email,
            on_duplicate=on_duplicate,
            console=Console(file=told, width=200),
        )
        with committed_database.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(Character))

    return run


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "cards"
    (place / "more").mkdir(parents=True)
    (place / "a.json").write_bytes(json_card())
    (place / "more" / "bad.json").write_bytes(b"{")
    (place / ".hidden.json").write_bytes(b"{")
    with zipfile.ZipFile(place / "more" / "all.zip", "w") as archive:
        archive.writestr("b.json", json_card(name="B"))
    return place


def test_makes_drafts_and_tells_what_it_could_not(bring, folder, told):
    assert bring(folder) == 2
    assert "2 made" in told.getvalue()
    assert "more/bad.json" in told.getvalue()
    assert ".hidden" not in told.getvalue()


def test_makes_nothing_twice(bring, folder, told):
    bring(folder)
    assert bring(folder) == 2
    assert "2 duplicate" in told.getvalue()


def test_takes_large_files_in_parts(bring, folder, monkeypatch):
    monkeypatch.setattr(card_batches, "PART_BYTES", 300)
    assert bring(folder) == 2


def test_says_what_is_not_there(bring, folder, tmp_path):
    with pytest.raises(InvalidError, match="no folder"):
        bring(tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match="Nobody here"):
        bring(folder, email="nobody@example.org")
