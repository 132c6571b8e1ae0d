import io
from datetime import timedelta

import pytest
import sqlalchemy as sa
from PIL import Image

from studio.authoring import card_imports, characters
from studio.cards import png
from studio.market.catalogue import cases, listings
from studio.market.catalogue.due import Pace
from studio.market.models import CaseState, CharacterPublication, CheckMode, ScreeningResult, Severity
from studio.market.review import claims, queue
from studio.market.screening import pictures, screening
from studio.market.screening.checks import CHECKS
from studio.work.models import JobRun, JobState
from tests.factories.authoring import card_file
from tests.factories.market import case_of, make_card, make_listing
from tests.factories.media import make_portrait, make_storage, picture


@pytest.fixture
def storage(tmp_path):
    return make_storage(tmp_path)


@pytest.fixture
def case(session, creator, now):
    """A case under screening, of a card with a script in its description."""
    character = make_card(
        session, owner=creator, now=now, description="A keeper <script>alert(1)</script> of the light."
    )
    return case_of(session, make_listing(session, owner=creator, now=now, character=character))


def results(session, case):
    rows = session.scalars(sa.select(ScreeningResult).where(ScreeningResult.case_id == case.id))
    return {row.check_name: row for row in rows}


class TestRun:
    def test_puts_the_case_into_the_queue_with_a_row_per_check(self, session, case, storage, moderator, now):
        screening.run(session, case_id=case.id, storage=storage, now=now)
        assert case.state is CaseState.WAITING
        found = results(session, case)
        assert set(found) == {check.name for check in CHECKS}
        assert found["scripts"].severity is Severity.SEVERE
        assert found["scripts"].evidence[0]["path"] == "data.description"
        assert found["secrets"].severity is None
        assert found["secrets"].evidence == []
        [row] = queue.page(session, actor=moderator, now=now).rows
        assert row.severe == 1

    def test_equals_running_once_when_run_twice(self, session, case, storage, now):
        first = screening.run(session, case_id=case.id, storage=storage, now=now)
        before = {name: (row.severity, row.evidence) for name, row in results(session, case).items()}
        session.expire_all()
        assert screening.run(session, case_id=case.id, storage=storage, now=now) == first
        assert {name: (row.severity, row.evidence) for name, row in results(session, case).items()} == before

    def test_hurries_what_may_be_about_minors_and_nothing_else(self, session, case, creator, storage, now):
        screening.run(session, case_id=case.id, storage=storage, now=now)
        assert case.due_at > case.opened_at, "a script is severe, and waits its turn"
        card = make_card(session, owner=creator, now=now, description="A schoolgirl of 14 in an erotic tale.")
        grave = case_of(session, make_listing(session, owner=creator, now=now, character=card))
        modes = {"rating": CheckMode.SHADOW}
        looked = dict(
            screening.look(screening.prepare(session, case_id=grave.id, storage=storage, now=now), models=None)
        )
        screening.keep(session, case_id=grave.id, findings=looked, modes=modes, now=now, pace=Pace(days=5))
        assert grave.due_at > grave.opened_at, "what is only tried sets nothing going"
        screening.keep(session, case_id=grave.id, findings=looked, now=now, pace=Pace(days=5))
        assert grave.due_at == grave.opened_at

    def test_leaves_a_claimed_case_claimed(self, session, case, storage, moderator, now):
        screening.run(session, case_id=case.id, storage=storage, now=now)
        claims.claim(session, actor=moderator, case_id=case.id, now=now)
        screening.run(session, case_id=case.id, storage=storage, now=now)
        assert case.state is CaseState.CLAIMED

    def test_leaves_a_withdrawn_case_alone(self, session, case, creator, storage, now):
        listings.withdraw(session, actor=creator, publication_id=case.publication_id, now=now)
        assert screening.run(session, case_id=case.id, storage=storage, now=now) == {"screened": False}
        assert results(session, case) == {}

    def test_looks_at_the_version_and_not_at_later_edits(self, session, case, creator, storage, now):
        character_id = session.get_one(CharacterPublication, case.publication_id).character_id
        character = characters.queries.get_character(session, actor=creator, character_id=character_id)
        characters.update(
            session, actor=creator, character_id=character_id, row_version=character.row_version,
            changes={"description": "harmless"}, now=now,
        )  # fmt: skip
        screening.run(session, case_id=case.id, storage=storage, now=now)
        assert results(session, case)["scripts"].severity is Severity.SEVERE

    def test_finds_the_same_card_of_somebody_else(self, session, creator, other_creator, storage, now):
        original = make_card(session, owner=creator, now=now, name="Ada")
        copy = make_card(session, owner=other_creator, now=now, name="Ada")
        case = case_of(session, make_listing(session, owner=other_creator, now=now, character=copy))
        screening.run(session, case_id=case.id, storage=storage, now=now)
        [item] = results(session, case)["duplicates"].evidence
        assert (item["character_id"], item["severity"]) == (str(original.id), "severe")

    def test_finds_nearly_the_same_picture(self, session, creator, other_creator, storage, now):
        theirs, mine = make_card(session, owner=creator, now=now), make_card(session, owner=other_creator, now=now)
        original = Image.effect_mandelbrot((400, 600), (-2, -1, 1, 1), 80)
        for owner, character, size in ((creator, theirs, (400, 600)), (other_creator, mine, (410, 600))):
            data = io.BytesIO()
            original.resize(size).convert("RGB").save(data, "PNG")
            file = make_portrait(session, actor=owner, storage=storage, data=data.getvalue())
            character.portrait_id = file.id
        session.flush()
        case = case_of(session, make_listing(session, owner=other_creator, now=now, character=mine))
        screening.run(session, case_id=case.id, storage=storage, now=now)
        row = results(session, case)["picture"]
        assert row.severity is Severity.WARNING
        assert row.evidence[0]["character_id"] == str(theirs.id)

    def test_looks_at_texts_in_the_file_that_the_card_came_in(self, session, creator, storage, now):
        data = card_file(portrait=picture(420, 640))
        walked = png.walk(data)
        kept = [(chunk.keyword, chunk.data) for chunk in png.text_chunks(walked, data)]
        data = png.rewrite(data, [*kept, ("parameters", b"see https://prompts.example/1")], keep_metadata=False)
        document = card_imports.preview(session, actor=creator, storage=storage, data=data, filename="a.png", now=now)
        character = card_imports.confirm(session, actor=creator, document_id=document.id, now=now)
        case = case_of(session, make_listing(session, owner=creator, now=now, character=character))
        screening.run(session, case_id=case.id, storage=storage, now=now)
        found = results(session, case)
        assert "picture.parameters" in {item["path"] for item in found["picture"].evidence}
        assert "picture.parameters" in {item["path"] for item in found["contacts"].evidence}


class TestGiveUp:
    def test_lets_the_case_reach_the_queue_with_the_failure_in_sight(self, session, case, moderator, now):
        assert screening.give_up(session, case_id=case.id, now=now)
        assert case.state is CaseState.WAITING
        assert results(session, case)[screening.FAILED].severity is Severity.SEVERE
        assert not screening.give_up(session, case_id=case.id, now=now)

    def test_is_forgotten_once_the_screening_works(self, session, case, storage, now):
        screening.give_up(session, case_id=case.id, now=now)
        screening.run(session, case_id=case.id, storage=storage, now=now)
        assert screening.FAILED not in results(session, case)


class TestReleaseStuck:
    def test_waits_for_a_job_that_is_open(self, session, case, now):
        assert screening.release_stuck(session, now=now + timedelta(hours=1)) == 0
        assert case.state is CaseState.SCREENING

    def test_releases_a_case_whose_job_failed_for_good(self, session, case, now):
        session.execute(
            sa.update(JobRun)
            .where(JobRun.dedupe_key == cases.screening_key(case.id))
            .values(state=JobState.FAILED, finished_at=now)
        )
        assert screening.release_stuck(session, now=now) == 0, "the job may be on its way in another transaction"
        assert screening.release_stuck(session, now=now + timedelta(minutes=1)) == 1
        session.refresh(case)
        assert case.state is CaseState.WAITING


class TestFactsOf:
    def test_reads_place_and_texts_from_the_header(self):
        exif = Image.Exif()
        exif.get_ifd(0x8825)[1] = "N"
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
        facts = pictures.facts_of(out.getvalue())
        assert (facts.width, facts.height, facts.has_exif, facts.has_gps) == (8, 8, True, True)
        texts = pictures.facts_of(picture(8, 8, texts={"parameters": "a", "chara": "card", "Comment": "b"})).texts
        assert texts == {"parameters": "a", "comment": "b"}
