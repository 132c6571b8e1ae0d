"""The tray, queues, schedules, bulk jobs and budgets: what they show and do, and to whom."""

import ast
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import jobs
from admin_views.work.labels import RESULT_LABELS
from studio import work
from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring.models.batches import ItemState
from studio.authoring.rules import Greetings
from studio.kit.clock import utc_now
from studio.market.models import Severity
from studio.work import budgets, circuits, claiming, queues
from studio.work.models import Hold, JobRun, JobState, PersonBudget, QueuePause
from studio.work.rules import MICRO, UNEXPECTED
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.media import make_generation
from tests.factories.voices import make_draft, make_voice
from tests.factories.work import make_failed_job, make_running_job


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def staff(session):
    return make_user(session, RoleName.STAFF)


@pytest.fixture
def now():
    return utc_now()


def actions(session):
    return list(session.scalars(sa.select(AuditEntry.action)))


def test_a_job_tells_whatever_it_says_that_it_did(session, browser_of, owner, now):
    """A finished screening says `screened: true`, and a number formatter knows no True."""
    job = work.ask(session, "market.screen_listing", actor=owner.actor, now=now)
    session.flush()
    for value, told in ((True, "yes"), (False, "no"), (1234, "1,234"), (0.5, "0.5"), ("late", "late"), (None, "None")):
        job.result = {"screened": value}
        session.flush()
        answer = browser_of(owner).get(f"/jobs/{job.id}")
        assert answer.status_code == 200
        assert told in answer.text.partition("screened")[2].partition("</dd>")[0]


def test_every_number_that_a_job_may_tell_has_words():
    """Whatever stands in a dict of the handlers; what other parts count for them is named beside."""
    counted = {state.value for state in (*Severity, ItemState.MADE, ItemState.DUPLICATE, ItemState.PORTRAIT)}
    counted |= {ItemState.UNPACKED.value, ItemState.REFUSED.value, ItemState.UNDONE.value}
    for path in Path(jobs.__file__).parent.glob("*.py"):
        if path.stem in {"resources", "runtime", "worker", "queue", "pulse", "registry", "context", "schedule"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                counted |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
    assert counted <= set(RESULT_LABELS)


class TestTray:
    def test_shows_what_runs_first_with_percent_and_cost(self, session, browser_of, owner, now):
        work.ask(session, "media.make_variants", actor=owner.actor, now=now)
        running, _ = make_running_job(
            session, "memory.embed_all", now=now, actor=owner.actor, queue="background", estimate_micro=2 * MICRO
        )
        running.percent = 40
        budgets.record_of_job(session, job_id=running.id, kind="embeddings", cost_micro=MICRO // 2, now=now)
        page = browser_of(owner).get("/jobs/tray/").text
        assert page.index("Embed all characters") < page.index("Make picture sizes")
        assert "40 %" in page
        assert "$0.50 of about $2.00" in page
        assert "$0.50 of $50.00" in page

    def test_says_that_a_job_waits_for_budget(self, session, browser_of, owner, now):
        job = work.ask(session, "media.make_variants", actor=owner.actor, now=now)
        job.held_for = Hold.BUDGET
        assert "waiting for budget" in browser_of(owner).get("/jobs/tray/").text

    def test_says_what_to_do_about_a_job_that_no_month_has_room_for(self, session, browser_of, owner, now):
        jobs = [
            work.ask(session, "media.generate_pictures", actor=owner.actor, now=now, estimate_micro=cost * MICRO)
            for cost in (50, 51)
        ]
        for job in jobs:
            job.held_for = Hold.BUDGET
        browser = browser_of(owner)
        tray = browser.get("/jobs/tray/").text
        assert tray.count("It goes on by itself next month") == 1
        assert tray.count("It costs more than your whole month. Ask staff for a higher budget") == 1
        fits, is_too_dear = (browser.get(f"/jobs/{job.id}").text for job in jobs)
        assert "goes on by itself next month" in fits
        assert "costs more than a whole month of the budget" in is_too_dear

    def test_stays_within_its_statements(self, session, browser_of, owner, statements, now):
        for _ in range(6):
            work.ask(session, "media.make_variants", actor=owner.actor, estimate_micro=5, now=now)
        browser = browser_of(owner)
        statements.clear()
        browser.get("/jobs/tray/")
        # person, roles and preferences; the jobs; the budget and what is reserved.
        assert len(statements) <= 7, "\n".join(statements)

    def test_pauses_lets_go_on_stops_and_does_again(self, session, browser_of, post, owner, now):
        job = work.ask(session, "memory.embed_all", actor=owner.actor, queue="background", now=now)
        browser = browser_of(owner)
        for verb, state, hold in (
            ("pause", JobState.QUEUED, Hold.PAUSE),
            ("resume", JobState.QUEUED, None),
            ("cancel", JobState.CANCELLED, None),
            ("retry", JobState.QUEUED, None),
        ):
            answer = post(browser, f"/jobs/tray/{job.id}/{verb}")
            assert (answer.status_code, "Your jobs" in answer.text) == (200, True)
            session.expire_all()
            assert (job.state, job.held_for) == (state, hold)

    def test_does_not_know_a_strangers_job(self, session, browser_of, post, owner, now):
        job = work.ask(session, "media.make_variants", now=now)
        session.flush()
        assert post(browser_of(owner), f"/jobs/tray/{job.id}/pause").status_code == 404


class TestJob:
    def test_names_what_it_is_about_and_links_it_for_those_who_may_look(self, session, browser_of, owner, now):
        character = make_character(session, owner=owner.actor)
        admin = make_user(session, RoleName.ADMIN)
        job = work.ask(
            session, "memory.embed_character", actor=owner.actor, about=("character", character.id), now=now,
            character_id=character.id,
        )  # fmt: skip
        session.flush()
        place = f'href="/characters/{character.id}"'
        mine, theirs = (browser_of(one).get(f"/jobs/{job.id}").text for one in (owner, admin))
        assert f"{place}>{character.name}</a>" in mine
        assert "character id" not in mine
        assert "character id" in theirs
        assert (place in theirs) == (browser_of(admin).get(f"/characters/{character.id}").status_code == 200)

    def test_sends_nobody_to_an_error_log_that_they_cannot_read(self, session, browser_of, owner, staff, now):
        job = make_failed_job(session, "media.make_variants", now=now, actor=owner.actor)
        job.error_message = UNEXPECTED
        session.flush()
        told = "tell the staff the reference"
        assert told in browser_of(owner).get(f"/jobs/{job.id}").text
        assert UNEXPECTED in browser_of(staff).get(f"/jobs/{job.id}").text

    def test_says_how_the_budget_stands_for_which_it_waits(self, session, browser_of, owner, now):
        budgets.set_limit(session, user_id=owner.id, limit_micro=3 * MICRO, now=now)
        budgets.record(session, user_id=owner.id, kind="images", cost_micro=2 * MICRO, now=now)
        job = work.ask(session, "media.make_variants", actor=owner.actor, estimate_micro=3 * MICRO, now=now)
        session.flush()
        assert claiming.claim(session, job_id=job.id, worker="one", now=now) is None
        page = browser_of(owner).get(f"/jobs/{job.id}").text
        assert "It waits for budget" in page
        assert "$3.00 more; $1.00 of $3.00" in page

    def test_says_that_its_queue_is_paused(self, session, browser_of, owner, now):
        job = work.ask(session, "media.make_variants", actor=owner.actor, now=now)
        queues.pause(session, queue="default", by=None, reason="", now=now)
        session.flush()
        assert "paused by staff" in browser_of(owner).get(f"/jobs/{job.id}").text

    def test_is_done_again_later_and_less_often(self, session, browser_of, post, owner, now):
        job = make_failed_job(session, "media.make_variants", now=now, actor=owner.actor)
        page = browser_of(owner).get(f"/jobs/{job.id}").text
        assert "Run again with" in page
        post(browser_of(owner), f"/jobs/{job.id}/retry", delay="60", attempts="2")
        session.expire_all()
        assert (job.state, job.max_attempts) == (JobState.QUEUED, 2)
        assert timedelta(minutes=59) < job.run_after - utc_now() < timedelta(minutes=61)

    def test_leads_to_the_form_it_was_asked_for_in(self, session, browser_of, staff, now):
        job = work.ask(session, "memory.embed_all", actor=staff.actor, is_anew=True, now=now)
        job.state, job.finished_at = JobState.CANCELLED, now
        session.flush()
        assert "/bulk-jobs/embeddings?anew=1" in browser_of(staff).get(f"/jobs/{job.id}").text


class TestQueues:
    def test_shows_figures_charts_and_their_tables_within_its_statements(
        self, session, browser_of, staff, statements, now
    ):
        job, token = make_running_job(session, now=now)
        claiming.succeed(session, job_id=job.id, token=token, result=None, now=now)
        make_failed_job(session, "media.make_variants", now=now)
        work.ask(session, "memory.embed_all", queue="background", now=now - timedelta(minutes=3))
        browser = browser_of(staff)
        statements.clear()
        page = browser.get("/queues/").text
        # person, roles, preferences; open and ended by queue; pauses and who; processes; providers; hours; groups.
        assert len(statements) <= 14, "\n".join(statements)
        assert page.count("data-chart") == 2
        assert page.count("As a table") == 2
        assert "50%" in page
        assert "Make picture sizes" in page

    def test_pauses_a_queue_with_its_reason_and_lets_it_go_on(self, session, browser_of, post, staff):
        browser = browser_of(staff)
        assert post(browser, "/queues/bulk/pause", reason="The server moves.").status_code == 303
        page = browser.get("/queues/").text
        assert "The server moves." in page
        assert staff.name in page
        assert session.scalar(sa.select(QueuePause.paused_by_id)) == staff.id
        assert post(browser, "/queues/bulk/resume").status_code == 303
        assert session.scalar(sa.select(sa.func.count()).select_from(QueuePause)) == 0
        assert {"queue.pause", "queue.resume"} <= set(actions(session))

    def test_knows_only_the_queues_that_there_are(self, browser_of, post, staff):
        assert post(browser_of(staff), "/queues/nowhere/pause").status_code == 404

    def test_is_not_for_creators(self, browser_of, post, owner):
        assert browser_of(owner).get("/queues/").status_code == 403
        assert post(browser_of(owner), "/queues/bulk/pause").status_code == 403

    def test_names_the_queue_of_bulk_jobs_for_what_it_is(self, session, browser_of, staff, now):
        job = work.ask(session, "memory.embed_all", queue="background", now=now)
        for place in ("/queues/", f"/jobs/{job.id}"):
            page = browser_of(staff).get(place).text
            assert "Work that can wait" in page
            assert "house&#39;s own work" not in page

    def test_has_a_resting_provider_tried_by_what_waits_longest_for_it(self, session, browser_of, post, staff, now):
        for _ in range(4):
            circuits.count_failure(session, provider="speech:openai", most=4, rest=30, error="down", now=now)
        job, token = make_running_job(session, now=now)
        claiming.fail(
            session,
            job_id=job.id,
            token=token,
            failure=claiming.Failure("ProviderRestsError", "It rests."),
            is_final=False,
            chance=0.5,
            at_least=9_000,
            is_outage=True,
            put_off_by="speech:openai",
            now=now,
        )
        far = job.run_after
        browser = browser_of(staff)
        assert "Ask again now" in browser.get("/queues/").text
        assert post(browser, "/queues/providers/try", provider="speech:openai").status_code == 303
        session.expire_all()
        assert job.run_after < far
        page = browser.get("/queues/").text
        assert "the next request tries" in page
        assert "what waits longest for it asks at once" in page
        assert "provider.try" in actions(session)

    def test_asks_for_failed_jobs_to_be_done_again(self, session, browser_of, post, staff, now):
        make_failed_job(session, "media.make_variants", now=now)
        data = {"name": "media.make_variants", "error_type": "ValueError", "kind": "It did not work."}
        assert post(browser_of(staff), "/queues/requeue", **data).status_code == 303
        job = session.scalars(sa.select(JobRun).where(JobRun.name == "operations.requeue_failed")).one()
        assert job.arguments == {
            "job_name": "media.make_variants",
            "error_type": "ValueError",
            "kind": "It did not work.",
        }
        assert "job.requeue_group" in actions(session)


class TestSchedules:
    def test_show_last_and_next_run_and_the_outcome(self, session, browser_of, staff, statements, now):
        make_failed_job(session, "money.check_money", now=now)
        browser = browser_of(staff)
        statements.clear()
        page = browser.get("/schedules/").text
        assert len(statements) <= 6, "\n".join(statements)
        row = page.split('id="run-money.check_money"')[1].split("</tr>")[0]
        assert "failed" in row
        assert "just now" in row
        assert "The last run of 1 schedule failed." in page

    def test_are_run_now_once_however_often_it_is_pressed(self, session, browser_of, post, staff):
        for _ in range(2):
            assert post(browser_of(staff), "/schedules/operations.prune_jobs/run").status_code == 303
        job = session.scalars(sa.select(JobRun).where(JobRun.name == "operations.prune_jobs")).one()
        assert (job.asked_by_id, job.queue) == (staff.id, "background")
        assert "schedule.run" in actions(session)

    def test_go_on_where_they_were_paused(self, session, browser_of, post, staff):
        browser = browser_of(staff)
        post(browser, "/schedules/operations.prune_jobs/run")
        job = session.scalars(sa.select(JobRun).where(JobRun.name == "operations.prune_jobs")).one()
        job.held_for = Hold.PAUSE
        session.flush()
        post(browser, "/schedules/operations.prune_jobs/run")
        session.refresh(job)
        assert (job.state, job.held_for) == (JobState.QUEUED, None)

    def test_run_nothing_else(self, browser_of, post, staff):
        assert post(browser_of(staff), "/schedules/money.pay_out/run").status_code == 422


class TestBulkJobs:
    def test_say_what_they_would_do_before_anything_starts(self, session, browser_of, staff):
        for number in range(3):
            make_character(session, owner=make_user(session, RoleName.CREATOR).actor, name=f"Ada {number}")
        total = session.scalar(sa.text("SELECT count(*) FROM characters"))
        page = browser_of(staff).get("/bulk-jobs/embeddings").text
        assert f"{total} characters" in page
        assert "done on this machine" in page
        assert (
            session.scalar(sa.select(sa.func.count()).select_from(JobRun).where(JobRun.name == "memory.embed_all")) == 0
        )

    def test_start_once_and_lead_to_their_job(self, session, browser_of, post, staff, owner):
        make_character(session, owner=owner.actor, name="Ada")
        browser = browser_of(staff)
        answer = post(browser, "/bulk-jobs/embeddings/start", anew="1")
        job = session.scalars(sa.select(JobRun).where(JobRun.name == "memory.embed_all")).one()
        assert answer.location.endswith(f"/jobs/{job.id}")
        assert (job.queue, job.arguments) == ("background", {"is_anew": True})
        assert post(browser, "/bulk-jobs/embeddings/start").status_code == 409
        assert "asked for already" in browser.get("/bulk-jobs/embeddings").text

    def test_are_not_for_creators(self, browser_of, owner):
        assert browser_of(owner).get("/bulk-jobs/embeddings").status_code == 403

    def test_have_greetings_spoken_for_creators_of_their_own(self, session, browser_of, post, staff, owner):
        browser = browser_of(owner)
        page = browser.get("/bulk-jobs/").text
        assert "Have all greetings spoken" in page
        assert "Embed all characters" not in page
        assert "No greeting has a voice yet" in browser.get("/bulk-jobs/greetings").text
        for who in (owner, make_user(session, RoleName.CREATOR)):
            own = make_character(session, owner=who.actor, name="Ada", greetings=Greetings("Hello.", ("Hi.",), ()))
            make_voice(session, owner=who.actor, character=own, draft=make_draft("elevenlabs", voice_id="v"))
        page = browser.get("/bulk-jobs/greetings").text
        # No key is set here, and nothing would be asked in vain.
        assert "0 greetings" in page
        assert "of 2 of yours" in page
        assert "2 are left out" in page
        assert "Everything anew" not in page
        assert post(browser, "/bulk-jobs/greetings/start").status_code == 409
        assert "of 4 in all" in browser_of(staff).get("/bulk-jobs/greetings").text

    def test_of_a_kind_that_there_is_not_are_not_found(self, browser_of, staff):
        assert browser_of(staff).get("/bulk-jobs/everything").status_code == 404


class TestBudgets:
    def test_are_listed_by_what_was_spent_within_their_statements(self, session, browser_of, staff, statements, now):
        people = [make_user(session, RoleName.CREATOR) for _ in range(3)]
        for number, person in enumerate(people, start=1):
            budgets.record(session, user_id=person.id, kind="images", cost_micro=number * MICRO, now=now)
        browser = browser_of(staff)
        statements.clear()
        page = browser.get("/budgets/").text
        assert len(statements) <= 8, "\n".join(statements)
        places = [page.index(person.name) for person in people]
        assert places == sorted(places, reverse=True)

    def test_are_changed_and_written_down(self, session, browser_of, post, staff, owner, now):
        budgets.record(session, user_id=owner.id, kind="images", cost_micro=MICRO, now=now)
        assert post(browser_of(staff), f"/budgets/{owner.id}/limit", limit="12,5").status_code == 303
        session.expire_all()
        assert session.get_one(PersonBudget, owner.id).limit_micro == 12_500_000
        assert "12.5" in browser_of(staff).get(f"/budgets/{owner.id}").text
        assert post(browser_of(staff), f"/budgets/{owner.id}/limit", limit="").status_code == 303
        session.expire_all()
        assert session.get_one(PersonBudget, owner.id).limit_micro is None
        # What is no budget stands in its field to be mended.
        wrong = post(browser_of(staff), f"/budgets/{owner.id}/limit", limit="much")
        assert wrong.status_code == 422
        assert "Write what a month may cost as a number from 0" in wrong.text
        assert 'value="much"' in wrong.text
        assert 'id="limit-error"' in wrong.text
        assert actions(session).count("budget.set") == 2

    def test_are_given_by_address(self, session, browser_of, post, staff, owner):
        data = {"email": owner.email.upper(), "limit": "3"}
        assert post(browser_of(staff), "/budgets/give", **data).status_code == 303
        assert session.get_one(PersonBudget, owner.id).limit_micro == 3 * MICRO

    @pytest.mark.parametrize(
        ("data", "field"),
        [
            ({"email": "nobody@example.com", "limit": "3"}, "email"),
            ({"email": "a\0@x", "limit": "3"}, "email"),
            ({"limit": "much"}, "limit"),
            ({"limit": "-1"}, "limit"),
            ({"limit": "1000001"}, "limit"),
            ({"limit": "1e999999"}, "limit"),
            ({"limit": "nan"}, "limit"),
        ],
    )
    def test_refuse_what_is_none_at_its_field_with_what_was_typed(
        self, session, browser_of, post, staff, owner, data, field
    ):
        data = {"email": owner.email} | data
        answer = post(browser_of(staff), "/budgets/give", **data)
        assert answer.status_code == 422
        assert [name for name in data if f'id="budget-{name}-error"' in answer.text] == [field]
        assert all(f'value="{value}"'.replace("\0", "") in answer.text for value in data.values())
        assert '<details class="box budget-give" open>' in answer.text
        assert session.get(PersonBudget, owner.id) is None

    def test_are_not_for_creators(self, browser_of, owner):
        assert browser_of(owner).get("/budgets/").status_code == 403


def test_a_creator_reads_what_a_job_is_about_and_no_names_of_the_program(session, browser_of, post, now):
    creator = make_user(session, RoleName.CREATOR)
    generation = make_generation(session, owner=creator.actor, prompt="a tower in the rain")
    job = work.ask(
        session,
        "media.generate_pictures",
        actor=creator.actor,
        about=("image_generation", generation.id),
        now=now,
        generation_id=generation.id,
    )
    session.flush()
    job.error_type, job.error_message = (
        "studio.providers.errors.ProviderRestsError",
        "It rests. Check STUDIO_IMAGES_URL.",
    )
    job.percent, job.held_for, job.started_at = 40, Hold.PAUSE, now
    job.result = {"left_out": 2, "_earlier": 1}
    session.flush()
    browser = browser_of(creator)
    listed = browser.get("/jobs/").text
    assert "Make pictures · a tower in the rain" in listed
    assert "ProviderRestsError" not in listed
    # The house's own jobs are no choice to whoever sees only their own.
    assert 'value="media.sweep"' not in listed
    page = browser.get(f"/jobs/{job.id}").text
    assert "Make pictures · a tower in the rain" in page
    assert "ProviderRestsError" not in page
    assert "STUDIO_" not in page
    # Paused, it shows how far it is, that it was begun, and its numbers in words.
    assert "40 %" in page
    assert "left out" in page
    assert "_earlier" not in page
    assert "Make pictures · a tower in the rain" in browser.get("/jobs/tray/").text
    staff = browser_of(make_user(session, RoleName.STAFF))
    assert 'value="media.sweep"' in staff.get("/jobs/").text
    assert "ProviderRestsError" in staff.get(f"/jobs/{job.id}").text
