"""A studio that is really up, and people in a real browser whose every complaint fails the test."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from studio.accounts.permissions import RoleName
from studio.settings import ROOT
from tests.browser import stage as stages
from tests.browser.stage import Person, Stage
from tests.browser.visitors import Visitor
from tests.conftest import a_database

BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What is tried, after the path that STUDIO_BROWSER names."""

WIDE = {"width": 1440, "height": 900}

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; all of them are also slow."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser on this machine."""
    for name in (os.environ.get("STUDIO_BROWSER", ""), *BROWSERS):
        found = shutil.which(name) if name else None
        if found:
            return found
    pytest.skip("no Chromium is here; tests/browser/install.sh gets one, or STUDIO_BROWSER names one")


@pytest.fixture(scope="session")
def stage(chromium_path, servers, worker_number, tmp_path_factory) -> Iterator[Stage]:
    """The studio that all browser tests of this process visit; each brings people of its own."""
    # Other tests empty their worker's numbered database; ours is from the upper half, which no worker of theirs has.
    redis_url = servers.redis_url.removesuffix("/0") + f"/{(worker_number + 32) % 64}"
    data = tmp_path_factory.mktemp("studio")
    with (
        a_database(servers, "browser", copied=True) as url,
        stages.running(url=url, redis_url=redis_url, data=data) as up,
    ):
        yield up


@pytest.fixture(scope="module")
def browser(chromium_path) -> Iterator[Browser]:
    """A browser that reaches this machine alone; closed after each file, since its event loop would disturb other tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path,
            args=[
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, stage) -> Iterator[Callable[..., Visitor]]:
    """Opens a browser window of its own: `visit()`, or signed in: `visit(person)`; keywords are Playwright's of a context.

    At the end every window is asked for complaints: a violation of the content security policy, an error
    on the console or in a script, or a request to anywhere but the studio fails the test.
    """
    visitors: list[Visitor] = []

    def open_window(person: Person | None = None, **options) -> Visitor:
        # Colours on their way from one theme to another have no contrast that means anything.
        usual = {"locale": "en-GB", "color_scheme": "light", "reduced_motion": "reduce", "viewport": WIDE}
        options = usual | options
        context = browser.new_context(base_url=stage.address, **options)
        context.set_default_timeout(15_000)
        visitor = Visitor(context, stage)
        visitors.append(visitor)
        if person is not None:
            visitor.sign_in(person)
        return visitor

    yield open_window
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints()]
    for visitor in visitors:
        visitor.context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def creator(stage) -> Person:
    return stage.person(RoleName.CREATOR)


@pytest.fixture
def moderator(stage) -> Person:
    return stage.person(RoleName.MODERATOR)


@pytest.fixture
def staff(stage) -> Person:
    return stage.person(RoleName.STAFF)


@pytest.fixture
def admin(stage) -> Person:
    return stage.person(RoleName.ADMIN)


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    place = ROOT / "node_modules" / "axe-core" / "axe.min.js"
    if not place.is_file():
        pytest.skip("axe-core is not here; `npm ci` gets it, as `make test` does")
    return place.read_text(encoding="utf-8")


@pytest.fixture
def shot(request) -> Callable[[Page, str], None]:
    """Keeps a screenshot where STUDIO_SHOTS names a folder, for people who look at them; else does nothing."""
    folder = os.environ.get("STUDIO_SHOTS")

    def keep(page: Page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return keep


@pytest.fixture(scope="session")
def samples_or_none() -> Path | None:
    """The folder of real cards, where there is one."""
    folder = Path(os.environ.get("STUDIO_SAMPLES") or ROOT.parent / "shared" / "data")
    return folder if folder.is_dir() else None
