"""A person watches their jobs: one waits for budget, one comes back after its worker was killed; staff steer the rest."""

import re

import pytest
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.chat import runs, test_prompts
from studio.kit.clock import utc_now
from tests.factories.chat import make_talker
from tests.fakes import language_server as fake

LONG = 90_000


@pytest.fixture
def server(stage):
    """The language server of the studio on the stage, with nothing in its script."""
    stage.language.reset()
    yield stage.language
    stage.language.reset()
    stage.worker.start()


@pytest.fixture
def ask(stage, creator):
    """Asks for a run of two test prompts on the draft and its version, as the creator's page does; the job's id."""
    from studio.authoring import versions

    def start():
        with stage.session() as session:
            owner = session.get_one(User, creator.id).actor
            character = make_talker(session, owner=owner)
            for text in ("Who are you?", "Where are we?"):
                test_prompts.save(session, actor=owner, character_id=character.id, text=text, now=utc_now())
            version = versions.make(session, actor=owner, character_id=character.id, now=utc_now())
            character.description = "Changed since."
            asked = runs.start(
                session, actor=owner, character_id=character.id, left=version.id, right=None, now=utc_now()
            )
            return asked.job_id

    return start


def tray_of(page):
    """The tray, opened by its key."""
    expect(page.locator("#tray-summary")).to_be_visible()
    page.keyboard.press("t")
    tray = page.locator("#tray .tray-panel")
    expect(tray).to_be_visible()
    return tray


def row_of(tray, label):
    """What the tray says of the newest job of that name."""
    return tray.locator(".tray-job").filter(has_text=label).first


def test_a_job_over_budget_waits_and_goes_on_when_the_budget_is_raised(visit, creator, staff, server, ask, shot):
    giver = visit(staff)
    page = giver.go("/budgets/")
    page.get_by_text("Give somebody a budget").click()
    page.locator("input[name=email]").fill(creator.email)
    page.locator(".budget-give input[name=limit]").fill("0.05")
    giver.press("Save")
    expect(page.get_by_role("heading", level=1)).to_have_text(creator.name)

    job = ask()
    writer = visit(creator)
    tray = tray_of(writer.go("/"))
    expect(row_of(tray, "Run test prompts").locator(".mark")).to_have_text("waiting for budget", timeout=LONG)
    # No month of five cents has room for one answer.
    expect(tray).to_contain_text("Ask staff for a higher budget")
    shot(writer.page, "jobs-1-over-budget")
    assert not server.requests
    writer.go(f"/jobs/{job}")
    expect(writer.page.locator("#job-live")).to_contain_text("is left this month")

    page.locator("input[name=limit]").fill("100")
    giver.press("Save")
    shot(page, "jobs-2-budget")
    expect(writer.page.locator("#job-live .mark-succeeded")).to_be_visible(timeout=LONG)
    expect(writer.page.locator("#job-live")).to_contain_text(re.compile(r"Cost\s*\$\d"))


def test_the_job_of_a_killed_worker_comes_back_before_ones_eyes(visit, stage, creator, server, ask, shot):
    server.script(fake.Says("One word after the other, slowly. " * 12, seconds=0.5))
    job = ask()
    writer = visit(creator, viewport={"width": 390, "height": 844})
    tray = tray_of(writer.go("/"))
    expect(row_of(tray, "Run test prompts").locator(".mark-running")).to_be_visible(timeout=LONG)
    shot(writer.page, "jobs-3-running")
    stage.worker.kill()
    # Reloaded in between, the tray still knows.
    tray = tray_of(writer.go("/characters/"))
    expect(row_of(tray, "Run test prompts").locator(".mark-running")).to_be_visible()
    stage.worker.start()
    expect(row_of(tray, "Run test prompts").locator(".mark-succeeded")).to_be_visible(timeout=LONG)
    writer.go(f"/jobs/{job}")
    expect(writer.page.locator("#job-live")).to_contain_text(re.compile(r"Attempts\s*2 of at most"))
    # Asked for again with other choices, it leads to where it was asked for.
    writer.page.get_by_role("link", name="Ask for it anew with other choices").click()
    writer.page.wait_for_url("**/test-chat/**")


def test_staff_pause_a_queue_run_a_schedule_and_see_a_dry_run(visit, stage, staff, axe, shot):
    keeper = visit(staff)
    page = keeper.go("/queues/")
    expect(page.locator("canvas").first).to_be_visible()
    page.locator("#reason-background").fill("The model moves.")
    page.get_by_role("button", name="Pause Work that can wait").click()
    expect(page.locator("#queues-live")).to_contain_text("The model moves.")
    assert keeper.axe(axe) == []
    shot(page, "jobs-4-queues")
    try:
        page = keeper.go("/bulk-jobs/embeddings?anew=1")
        expect(page.locator(".bulk-forecast")).to_contain_text("characters")
        shot(page, "jobs-5-dry-run")
        assert keeper.axe(axe) == []
        keeper.press("Start")
        keeper.agree()
        expect(page.locator("#job-live")).to_contain_text("Its queue is paused by staff")
        keeper.press("Pause")
        expect(page.locator("#job-live .mark")).to_have_text("paused")
    finally:
        keeper.go("/queues/")
        keeper.press("Go on")
    expect(page.locator("#queues-live")).not_to_contain_text("The model moves.")
    tray = tray_of(page)
    tray.get_by_role("button", name="Go on Embed all characters").click()
    expect(row_of(tray, "Embed all characters").locator(".mark-succeeded")).to_be_visible(timeout=LONG)
    page = keeper.go("/schedules/")
    row = page.locator("tr[id='run-operations.prune_jobs']")
    row.get_by_role("button", name="Run now").click()
    shot(page, "jobs-6-schedules")
    assert keeper.axe(axe) == []
    assert stage.count("job_runs", dedupe_key="by-hand:operations.prune_jobs") == 1
