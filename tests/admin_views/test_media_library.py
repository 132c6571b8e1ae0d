"""The library and pictures from prompts as pages: uploads by tus, the grid, one file, asking, watching, choosing."""

import base64
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.media import generations, uploads, variants
from studio.media.models import GenerationState, ImageGeneration, MediaFile, MediaUpload
from studio.providers import storage as storages
from studio.providers.images import Made, Picture
from studio.work.models import JobRun, JobState
from tests.admin_views.conftest import token_of
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.media import make_generation, make_portrait, picture, wav
from tests.factories.work import make_job

BUDGET = 8
"""Statements of a page: who asks, the rows, the count, their uses, what is kept, and what a list has besides."""


@pytest.fixture
def storage(settings):
    return storages.from_settings(settings)


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


class Tus:
    """What tus-js-client sends."""

    def __init__(self, client):
        self.client = client
        self.headers = {"X-CSRFToken": token_of(client), "Tus-Resumable": "1.0.0", "Accept": "application/json"}

    def begin(self, size, name="独孤.png"):
        told = f"filename {base64.b64encode(name.encode()).decode()}"
        headers = {**self.headers, "Upload-Length": str(size), "Upload-Metadata": told}
        return self.client.post("/library/uploads/", headers=headers)

    def patch(self, address, data, offset, kind="application/offset+octet-stream"):
        headers = {**self.headers, "Upload-Offset": str(offset)}
        return self.client.patch(address, data=data, headers=headers, content_type=kind)


@pytest.fixture
def tus(browser):
    return Tus(browser)


class TestUploads:
    def test_come_in_parts_and_say_how_much_is_there(self, session, browser, tus):
        data = picture()
        answer = tus.begin(len(data))
        assert (answer.status_code, answer.headers["Tus-Resumable"]) == (201, "1.0.0")
        address = answer.headers["Location"]
        assert tus.patch(address, data[:400], 0).status_code == 204
        told = browser.head(address)
        assert (told.headers["Upload-Offset"], told.headers["Upload-Length"]) == ("400", str(len(data)))
        assert tus.patch(address, data[300:], 300).status_code == 409
        last = tus.patch(address, data[400:], 400)
        assert last.json["address"].startswith("/library/")
        assert last.json["told"] == "In your library."
        assert session.scalar(sa.select(MediaFile.original_name)) == "独孤.png"

    def test_that_stopped_are_named_and_discarded(self, session, browser, post, tus, now):
        upload = tus.begin(3_000_000, "long.png").headers["Location"]
        assert "unfinished" not in browser.get("/library/").text
        session.execute(sa.update(MediaUpload).values(updated_at=now - timedelta(hours=1), arrived_bytes=2_000_000))
        page = browser.get("/library/").text
        assert "1 upload is unfinished (2 MB are here)." in page
        assert "long.png" in page
        assert post(browser, "/library/uploads/discard").status_code == 303
        assert browser.head(upload).status_code == 404
        assert "unfinished" not in browser.get("/library/").text

    def test_tell_why_a_file_is_refused_and_count_it_no_more(self, session, tus):
        answer = tus.begin(40, "broken.png")
        told = tus.patch(answer.headers["Location"], b"MZ" + bytes(38), 0)
        assert told.status_code == 200
        assert "does not take files of this kind" in told.json["refused"]

    def test_tell_what_came_of_them_once_more_where_the_answer_was_lost(self, browser, tus):
        data = picture()
        for content, name, told in ((data, "told", "In your library."), (b"MZ" + bytes(38), "refused", "of this kind")):
            address = tus.begin(len(content)).headers["Location"]
            assert browser.get(address).json == {}
            first = tus.patch(address, content, 0).json
            assert told in first[name]
            assert browser.get(address).json == first

    def test_are_refused_where_they_cannot_be(self, browser, tus):
        assert tus.begin(10**12).status_code == 413
        assert tus.begin(0).status_code == 422
        assert browser.post("/library/uploads/", headers=tus.headers).status_code == 422
        address = tus.begin(10).headers["Location"]
        assert tus.patch(address, b"x", 0, kind="text/plain").status_code == 415
        assert tus.patch(address, bytes(9_000_000), 0).status_code == 413
        assert browser.delete(address, headers=tus.headers).status_code == 204
        assert browser.head(address).status_code == 404

    def test_are_nobody_elses(self, session, browser_of, tus):
        address = tus.begin(10).headers["Location"]
        stranger = Tus(browser_of(make_user(session, RoleName.CREATOR)))
        assert stranger.client.head(address).status_code == 404
        assert stranger.patch(address, b"x", 0).status_code == 404

    def test_work_by_a_form_too_and_one_that_is_broken_keeps_none_out(self, session, browser):
        files = [(io.BytesIO(picture()), "a.png"), (io.BytesIO(b"MZ" + bytes(50)), "b.png"), (io.BytesIO(wav()), "c")]
        answer = browser.post(
            "/library/uploads/form",
            data={"csrf_token": token_of(browser), "file": files},
            content_type="multipart/form-data",
            follow_redirects=True,
        )
        assert "2 files are in your library." in answer.text
        assert "b.png: The studio does not take files of this kind." in answer.text
        assert session.scalar(sa.select(sa.func.count()).select_from(MediaFile)) == 2


class TestLibrary:
    @pytest.fixture
    def shelf(self, session, storage, owner):
        made = [
            make_portrait(session, actor=owner.actor, storage=storage, data=picture(40, 60, color=(9, number, 90)))
            for number in range(45)
        ]
        uploads.take(session, actor=owner.actor, storage=storage, data=wav(), name="song.wav", quota=0)
        character = make_character(session, owner=owner.actor)
        character.portrait_id = made[-1].id
        session.flush()
        return made

    def test_shows_a_page_of_ones_own_files_within_its_budget(self, session, browser_of, browser, shelf, statements):
        browser.get("/library/")
        statements.clear()
        answer = browser.get("/library/")
        assert answer.status_code == 200
        assert len(statements) <= BUDGET
        assert answer.text.count('class="tile"') == 40
        assert "in use" in answer.text
        assert len(answer.data) < 40_000
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        assert 'class="tile"' not in stranger.get("/library/").text

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("kind=audio", 1),
            ("use=used", 1),
            ("use=unused&kind=audio", 1),
            ("q=song", 1),
            ("twins=1", 0),
            ("made=1", 0),
        ],
    )
    def test_is_sieved(self, browser, shelf, query, count):
        assert browser.get(f"/library/?{query}").text.count('class="tile"') == count

    def test_says_what_uses_a_file_and_deletes_none_that_is_used(self, browser, post, shelf):
        page = browser.get(f"/library/{shelf[-1].id}").text
        assert "Portrait of a character" in page
        assert f"/library/{shelf[-1].id}/delete" not in page
        assert post(browser, f"/library/{shelf[-1].id}/delete").status_code == 409
        assert post(browser, f"/library/{shelf[0].id}/delete").status_code == 303
        assert browser.get(f"/library/{shelf[0].id}").status_code == 404

    def test_keeps_crop_and_words_and_says_what_is_wrong_with_them(self, session, browser, post, shelf):
        place = f"/library/{shelf[0].id}"
        crop = {"crop_left": "10", "crop_top": "0", "crop_right": "90", "crop_bottom": "50,5"}
        answer = post(
            browser, f"{place}/describe", row_version="1", alt_text="A tower", focus_x="50", focus_y="20", **crop
        )
        assert answer.status_code == 303
        session.expire_all()
        assert session.get(MediaFile, shelf[0].id).crop == [0.1, 0.0, 0.9, 0.505]
        wrong = post(
            browser, f"{place}/describe", row_version="2", alt_text="Kept typing", **(crop | {"crop_left": "x"})
        )
        assert wrong.status_code == 422
        assert "Kept typing" in wrong.text
        late = post(browser, f"{place}/describe", row_version="1", alt_text="Typed too late")
        assert late.status_code == 409
        assert "Somebody changed this file" in late.text
        assert "Typed too late" in late.text
        assert 'name="row_version" value="2"' in late.text

    def test_shows_a_moved_focal_point_at_once_wherever_the_portrait_is(
        self, session, browser, post, storage, owner, shelf
    ):
        character = make_character(session, owner=owner.actor)
        character.portrait_id = shelf[0].id
        variants.make(session, file_id=shelf[0].id, storage=storage)
        session.flush()

        def shown():
            return re.search(
                rf'src="(/media/{shelf[0].id}/cover[^"]*)"', browser.get(f"/characters/{character.id}").text
            )[1]

        before = shown()
        assert "stale-while-revalidate" in browser.get(before).headers["Cache-Control"]
        place = f"/library/{shelf[0].id}"
        assert 'hx-trigger="every 1s"' not in browser.get(f"{place}/sizes").text
        post(browser, f"{place}/describe", row_version="1", alt_text="", focus_x="50", focus_y="20")
        # Another address: what the browser keeps under the first one is not shown any more.
        assert shown() != before
        # The sizes ask for themselves until the job has made them, then under an address of their own.
        waiting = browser.get(f"{place}/sizes").text
        assert 'hx-trigger="every 1s"' in waiting
        variants.make(session, file_id=shelf[0].id, storage=storage)
        session.execute(sa.update(JobRun).values(state=JobState.SUCCEEDED, finished_at=utc_now()))
        there = browser.get(f"{place}/sizes").text
        assert 'hx-trigger="every 1s"' not in there
        assert re.search(r"\?v=[\d.]+", there)[0] != re.search(r"\?v=[\d.]+", waiting)[0]

    def test_makes_a_picture_the_portrait_of_a_character(self, session, browser, post, owner, shelf):
        character = make_character(session, owner=owner.actor)
        assert browser.get(f"/library/lookup/character?q={character.name}").json["items"]
        assert post(browser, f"/library/{shelf[0].id}/use", character=str(character.id)).status_code == 303
        session.expire_all()
        assert character.portrait_id == shelf[0].id
        stranger = make_character(session, owner=make_user(session, RoleName.CREATOR).actor)
        assert post(browser, f"/library/{shelf[0].id}/use", character=str(stranger.id)).status_code == 404

    def test_gives_a_link_for_those_outside(self, browser, client, post, shelf):
        link = post(browser, f"/library/{shelf[0].id}/link", headers={"Accept": "application/json"}).json["link"]
        assert client.get(link).mimetype == "image/png"

    def test_downloads_by_a_link_that_is_made_for_each_click(self, browser, browser_of, client, session, shelf):
        place = f"/media/{shelf[0].id}/download"
        assert place in browser.get(f"/library/{shelf[0].id}").text
        told = browser.get(place)
        assert (told.status_code, told.headers["Cache-Control"]) == (302, "private, no-store")
        assert client.get(told.location).headers["Content-Disposition"].startswith("attachment")
        assert browser_of(make_user(session, RoleName.CREATOR)).get(place).status_code == 404


class TestPictures:
    def finish(self, session, storage, generation, now):
        made = Made([Picture(picture(color=(200, number, 10)), 77 + number) for number in range(2)])
        job = session.get(JobRun, generation.job_id)
        job.state, job.finished_at = JobState.SUCCEEDED, now
        return generations.finish(
            session, generation_id=generation.id, made=made, cost_micro=84_000, storage=storage, now=now
        )

    def asked(self, session):
        return session.scalars(sa.select(ImageGeneration).order_by(ImageGeneration.id.desc())).first()

    def test_begin_with_a_prompt_from_the_character_and_end_as_its_portrait(
        self, session, browser, post, storage, owner, now
    ):
        character = make_character(session, owner=owner.actor, name="Mei", description="She has silver hair.")
        page = browser.get(f"/characters/{character.id}").text
        assert f"/pictures/new?character={character.id}" in page
        form = browser.get(f"/pictures/new?character={character.id}").text
        assert "She has silver hair" in form
        assert form.count("not used by this provider") == 3
        assert "No picture provider is set up" in form
        wanted = {"prompt": "Mei, silver hair", "size": "1024x1536", "count": "2", "seed": "77"}
        answer = post(browser, "/pictures/new", character=str(character.id), **wanted)
        assert answer.status_code == 303
        generation = self.asked(session)
        live = browser.get(answer.location).text
        assert 'hx-trigger="every 1s"' in live
        assert f"/pictures/{generation.id}/stop" in live
        kept = self.finish(session, storage, generation, now)
        done = browser.get(f"/pictures/{generation.id}/live").text
        assert "every 1s" not in done
        assert f"again={generation.id}&amp;seed=77" in done
        for file in kept:
            variants.make(session, file_id=file.id, storage=storage)
        chosen = post(
            browser, f"/pictures/{generation.id}/use", file=str(kept[1].id), row_version=str(character.row_version)
        )
        assert chosen.status_code == 303
        session.expire_all()
        assert character.portrait_id == kept[1].id
        again = browser.get(f"/pictures/new?again={generation.id}&seed=77&count=1").text
        assert f"again={generation.id}&amp;seed=77&amp;count=1" in done
        assert '<option selected value="1">' in again
        assert 'value="77"' in again
        assert "Mei, silver hair" in again

    def test_say_why_they_wait_for_a_provider_that_rests(self, session, browser, owner, now):
        generation = make_generation(session, owner=owner.actor)
        job = make_job(session, "media.generate_pictures", now=now, actor=owner.actor)
        job.run_after, job.error_type = utc_now() + timedelta(minutes=1), "ProviderBusyError"
        job.error_message = "The picture server is failing just now (HTTP 500). Try again later."
        generation.job_id = job.id
        session.flush()
        page = browser.get(f"/pictures/{generation.id}", headers={"Accept-Language": "zh-CN"}).text
        # Kept with its number filled in, and told in the reader's language all the same.
        assert "图片服务器目前出错（HTTP 500）" in page
        assert (
            "图片服务器目前出错（HTTP 500）"
            in browser.get(f"/jobs/{job.id}", headers={"Accept-Language": "zh-CN"}).text
        )

    def test_say_which_number_is_wrong_and_lose_nothing(self, browser, post):
        answer = post(browser, "/pictures/new", prompt="a tower", size="1024x1024", count="1", seed="-5")
        assert answer.status_code == 422
        assert "A whole number that is not negative." in answer.text
        assert "a tower" in answer.text

    def test_are_stopped_by_whoever_asked(self, session, browser, browser_of, post, owner):
        post(browser, "/pictures/new", prompt="a tower", size="1024x1024", count="1")
        generation = self.asked(session)
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        assert post(stranger, f"/pictures/{generation.id}/stop").status_code == 404
        assert post(browser, f"/pictures/{generation.id}/stop").status_code == 303
        assert "stopped" in browser.get(f"/pictures/{generation.id}").text
        # What has ended since the page was loaded is shown, and not refused.
        assert post(browser, f"/pictures/{generation.id}/stop").location == f"/pictures/{generation.id}"
        assert "It had ended already" in browser.get(f"/pictures/{generation.id}").text

    def test_that_failed_are_drawn_once_more_by_one_button(self, session, browser, browser_of, post, now):
        post(browser, "/pictures/new", prompt="a tower", size="1024x1024", count="1")
        generation = self.asked(session)
        job = session.get(JobRun, generation.job_id)
        job.state, job.finished_at = JobState.FAILED, now
        generation.state, generation.finished_at, generation.cost_micro = GenerationState.FAILED, now, 500_000
        generation.details = {**generation.details, "is_local": False, "label": "sd, at 127.0.0.1"}
        generation.error_message = "The picture server does not accept the key. Check STUDIO_IMAGES_KEY."
        session.flush()
        page = browser.get(f"/pictures/{generation.id}").text
        # Whoever cannot mend it reads no names of settings and no hosts.
        assert "The staff of this studio must mend that" in page
        assert "STUDIO_" not in page
        assert "127.0.0.1" not in page
        assert "The provider was paid $0.50 all the same." in page
        assert "$0.50" in browser.get("/pictures/").text
        place = f"/pictures/{generation.id}/again"
        assert post(browser_of(make_user(session, RoleName.CREATOR)), place).status_code == 404
        assert post(browser, place).status_code == 303
        session.expire_all()
        assert (job.state, generation.state, generation.error_message) == (
            JobState.QUEUED,
            GenerationState.PENDING,
            None,
        )
        assert "The pictures appear here." in browser.get(f"/pictures/{generation.id}").text

    def test_can_be_asked_for_anew_with_other_choices_from_their_job(self, session, browser, browser_of, post, now):
        post(browser, "/pictures/new", prompt="a tower", size="1024x1024", count="1")
        generation = self.asked(session)
        job = session.get(JobRun, generation.job_id)
        job.state, job.finished_at = JobState.CANCELLED, now
        session.flush()
        form = f"/pictures/new?again={generation.id}"
        assert form in browser.get(f"/jobs/{job.id}").text
        assert "a tower" in browser.get(form).text
        # Staff see the job; what was asked is nobody else's.
        assert form not in browser_of(make_user(session, RoleName.STAFF)).get(f"/jobs/{job.id}").text

    def test_have_a_history_within_its_budget(self, session, browser, owner, statements):
        for number in range(4):
            make_generation(session, owner=owner.actor, prompt=f"tower {number}")
        failed = make_generation(session, owner=owner.actor, prompt="a refused one")
        failed.state, failed.error_message = (
            GenerationState.FAILED,
            "The picture server refuses the request (HTTP %(status)s).",
        )
        failed.details = {"error_params": {"status": 418}}
        session.flush()
        browser.get("/pictures/")
        statements.clear()
        page = browser.get("/pictures/").text
        assert len(statements) <= BUDGET
        assert "tower 3" in page
        assert "HTTP 418" in browser.get(f"/pictures/{failed.id}").text


def test_an_open_ai_like_provider_says_what_it_costs(settings, make_app, session, sign_in, owner):
    app = make_app(
        settings.model_copy(
            update={
                "images_provider": "openai",
                "images_url": "http://127.0.0.1:9/v1",
                "images_model": "gpt-image-1",
                "images_prices": {"gpt-image-1": Decimal("0.042")},
            }
        )
    )
    page = sign_in(app.test_client(), owner).get("/pictures/new").text
    assert "About $0.042 for each picture." in page
    assert page.count("not used by this provider") == 4


def test_all_numbers_that_are_wrong_are_told_at_once(settings, make_app, sign_in, owner):
    app = make_app(settings.model_copy(update={"images_provider": "webui", "images_url": "http://127.0.0.1:9"}))
    browser = sign_in(app.test_client(), owner)
    sent = {"prompt": "a tower", "size": "1024x1024", "count": "1", "steps": "few", "guidance": "x", "seed": "-5"}
    answer = browser.post("/pictures/new", data={**sent, "csrf_token": token_of(browser)})
    assert answer.status_code == 422
    assert answer.text.count("A whole number that is not negative.") == 2
    assert "Write a number." in answer.text
