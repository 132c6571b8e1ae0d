"""A folder of real cards comes in at once: one row for each file, while the person looks on."""

import re

from playwright.sync_api import expect

JOBS = 120_000


def test_a_folder_of_cards_has_a_row_for_each_file(visit, stage, creator, samples_or_none, shot):
    folder = samples_or_none / "cards" if samples_or_none is not None else None
    if folder is None or not folder.is_dir():
        import pytest

        pytest.skip("the samples are not here; set STUDIO_SAMPLES to their folder")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    writer = visit(creator)
    page = writer.go("/imports/")
    page.get_by_role("link", name="Many cards at once").click()
    shot(page, "bulk-1-empty")
    page.locator("[data-bring-folder-field]").set_input_files(folder)
    expect(page.locator("[data-bring-chosen]")).to_contain_text(str(len(files)))
    writer.press("Bring them in")
    page.wait_for_url(re.compile(r"/imports/batches/[0-9a-f-]{36}"))
    expect(page.locator("#batch-live .job-state .mark-finished")).to_be_visible(timeout=JOBS)
    rows = page.locator(".batch-table tbody tr")
    expect(rows).to_have_count(len(files))
    shot(page, "bulk-2-finished")
    for path in files:
        row = rows.filter(has_text=f"{path.parent.name}/{path.name}")
        expect(row).to_have_count(1)
        expect(row.locator(".mark")).to_have_text(re.compile("made|there already|refused"))
    made = page.locator(".mark-made").count()
    assert made == stage.count("characters", owner_id=creator.id) >= 20
    page.get_by_role("link", name=re.compile("^Refused")).click()
    expect(page.locator(".mark-made")).to_have_count(0)
    expect(page.locator(".batch-said").first).not_to_be_empty()

    # The same folder again: everything is recognised.
    writer.go("/imports/batches/")
    page.locator("[data-bring-folder-field]").set_input_files(folder)
    writer.press("Bring them in")
    page.wait_for_url(re.compile(r"/imports/batches/[0-9a-f-]{36}"))
    expect(page.locator("#batch-live .job-state .mark-finished")).to_be_visible(timeout=JOBS)
    expect(page.locator(".mark-made")).to_have_count(0)
    assert stage.count("characters", owner_id=creator.id) == made

    # Undone, the drafts of the first import are out of the way.
    page.go_back()
    writer.go("/imports/batches/")
    page.locator(".import-list a").nth(1).click()
    writer.press("Undo the import")
    writer.agree()
    expect(page.locator("#batch-live .job-state .mark-undone")).to_be_visible(timeout=JOBS)
    assert stage.count("characters", owner_id=creator.id, status="archived") == made
    shot(page, "bulk-3-undone")


def test_sending_goes_on_after_the_line_was_cut(visit, stage, creator, tmp_path):
    from tests.factories.authoring import json_card

    folder = tmp_path / "cards"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number:03}.json").write_bytes(json_card(name=f"Cut {number}"))
    writer = visit(creator)
    writer.foresee_lost_connection()
    page = writer.go("/imports/batches/")
    sent = []

    def cut(route):
        sent.append(route.request.url)
        if len(sent) in {2, 3, 4, 5, 6}:
            route.abort()
        else:
            route.continue_()

    page.route(re.compile(r"/imports/batches/.*/files"), cut)
    page.locator("[data-bring-folder-field]").set_input_files(folder)
    writer.press("Bring them in")
    expect(page.locator("[data-bring-words]")).to_contain_text("Sending stopped", timeout=30_000)
    assert stage.count("characters", owner_id=creator.id) == 0
    writer.press("Bring them in")
    page.wait_for_url(re.compile(r"/imports/batches/[0-9a-f-]{36}"))
    expect(page.locator("#batch-live .job-state .mark-finished")).to_be_visible(timeout=JOBS)
    assert stage.count("characters", owner_id=creator.id) == 120


def test_a_look_tells_what_would_happen_and_begins_nothing(visit, stage, creator, tmp_path, shot):
    from tests.factories.authoring import json_card

    for number in range(3):
        (tmp_path / f"{number}.json").write_bytes(json_card(name=f"N{number}"))
    (tmp_path / "letter.txt").write_text("Dear friend")
    visitor = visit(creator)
    page = visitor.go("/imports/batches/")
    page.locator("#cards").set_input_files(sorted(tmp_path.iterdir()))
    visitor.press("Look first what would happen")
    page.wait_for_url(re.compile(r"/imports/batches/[0-9a-f-]{36}"))
    told = page.locator("section", has_text="What would happen").first
    expect(told).to_contain_text("New cards3")
    expect(told).to_contain_text("letter.txt")
    shot(page, "bulk-look")
    assert stage.count("characters", owner_id=creator.id) == 0
    visitor.press("Begin with what has arrived")
    expect(page.locator("#batch-live .job-state .mark-finished")).to_be_visible(timeout=JOBS)
    assert stage.count("characters", owner_id=creator.id) == 3
