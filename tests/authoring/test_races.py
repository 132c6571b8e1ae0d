"""Two clicks at one moment, with real threads and commits."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring import card_imports, characters, queries, versions
from studio.authoring.errors import StaleCharacterError
from studio.authoring.models import CardDocument, Character, CharacterVersion
from studio.kit.db import session_scope
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.authoring import NOW, card_file, make_character, make_preview


def at_once(database, work, times=4):
    """Run `work(session)` in as many threads, all let go at the same moment; returns what each answered or raised."""
    barrier = Barrier(times)

    def one(_number):
        with session_scope(database.engine) as session:
            barrier.wait()
            return work(session)

    with ThreadPoolExecutor(times) as pool:
        futures = [pool.submit(one, number) for number in range(times)]
    return [future.exception() or future.result() for future in futures]


@pytest.fixture
def writer(committed_database):
    with session_scope(committed_database.engine) as session:
        return make_actor(session, RoleName.CREATOR)


class TestConfirm:
    def test_makes_one_character_for_all_clicks(self, committed_database, writer, storage):
        with session_scope(committed_database.engine) as session:
            document_id = make_preview(session, actor=writer, storage=storage).id

        def confirm(session):
            return card_imports.confirm(session, actor=writer, document_id=document_id, now=NOW).id

        assert len(set(at_once(committed_database, confirm))) == 1
        with session_scope(committed_database.engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(Character)) == 1
            assert session.scalar(sa.select(sa.func.count()).select_from(JobRun)) == 2


class TestPreview:
    def test_keeps_one_preview_for_all_clicks(self, committed_database, writer, storage):
        data = card_file()
        answers = at_once(
            committed_database,
            lambda session: make_preview(session, actor=writer, storage=storage, data=data).id,
        )
        assert len(set(answers)) == 1
        with session_scope(committed_database.engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(CardDocument)) == 1


class TestUpdate:
    def test_lets_one_of_several_texts_stand_and_keeps_the_others(self, committed_database, writer):
        with session_scope(committed_database.engine) as session:
            character = make_character(session, owner=writer)
            character_id, row_version = character.id, character.row_version
        texts = iter(["one", "two", "three", "four"])

        def save(session):
            characters.update(
                session,
                actor=writer,
                character_id=character_id,
                row_version=row_version,
                changes={"description": next(texts)},
                now=NOW,
            )
            return "saved"

        answers = at_once(committed_database, save)
        assert answers.count("saved") == 1
        assert sum(isinstance(answer, StaleCharacterError) for answer in answers) == 3


class TestMakeVersion:
    def test_gives_one_number_to_all_clicks(self, committed_database, writer):
        with session_scope(committed_database.engine) as session:
            character_id = make_character(session, owner=writer).id

        def make(session):
            return versions.make(session, actor=writer, character_id=character_id, now=NOW).version_number

        assert at_once(committed_database, make) == [1, 1, 1, 1]
        with session_scope(committed_database.engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(CharacterVersion)) == 1

    def test_numbers_different_drafts_without_gap_or_double(self, committed_database, writer):
        with session_scope(committed_database.engine) as session:
            character_id = make_character(session, owner=writer).id
        texts = iter(["one", "two", "three", "four"])

        def save(session):
            character = queries.get_writable(session, actor=writer, character_id=character_id)
            characters.update(
                session,
                actor=writer,
                character_id=character_id,
                row_version=character.row_version,
                changes={"description": next(texts)},
                now=NOW,
            )
            return versions.make(session, actor=writer, character_id=character_id, now=NOW).version_number

        assert sorted(at_once(committed_database, save)) == [1, 2, 3, 4]

    def test_restores_once_for_all_clicks(self, committed_database, writer):
        with session_scope(committed_database.engine) as session:
            character = make_character(session, owner=writer, description="first")
            versions.make(session, actor=writer, character_id=character.id, now=NOW)
            characters.update(
                session,
                actor=writer,
                character_id=character.id,
                row_version=character.row_version,
                changes={"description": "second"},
                now=NOW,
            )
            character_id, row_version = character.id, character.row_version

        def restore(session):
            return versions.restore(
                session, actor=writer, character_id=character_id, version_number=1, row_version=row_version, now=NOW
            ).version.version_number

        assert at_once(committed_database, restore) == [3, 3, 3, 3]
