"""A person at a browser window: what they do again and again, and what the window complains of."""

import re
from collections.abc import Iterable
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from tests.browser.stage import Person, Stage

_WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
_STATUS = re.compile(r"status of (\d{3})")


class Visitor:
    """One browser window (a context of cookies of its own, with one page or more)."""

    def __init__(self, context: BrowserContext, stage: Stage) -> None:
        self.context = context
        self.stage = stage
        self._complaints: list[str] = []
        self._foreseen: set[str] = set()
        context.add_init_script(_WATCH_POLICY)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._complaints.append(f"script: {error.error}"))
        context.on("request", self._on_request)
        self.page = context.new_page()

    def foresee(self, *statuses: int) -> None:
        """Refusals with these statuses belong to the test; the browser writes each on its console."""
        self._foreseen |= {str(status) for status in statuses}

    def foresee_lost_connection(self) -> None:
        """The test cuts the line; the browser complains."""
        self._foreseen.add("net::")

    def complaints(self) -> list[str]:
        """What went wrong in this window and was not foreseen."""
        return list(self._complaints)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "assert"} and "Content Security Policy" not in message.text:
            return
        status = _STATUS.search(message.text)
        if status and status[1] in self._foreseen:
            return
        if "net::" in self._foreseen and message.text.startswith(("Failed to load resource: net::ERR", "htmx:")):
            return
        self._complaints.append(f"{message.page.url if message.page else ''}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.stage.address, "data:", "blob:", "about:")):
            self._complaints.append(f"{request.frame.url}: asked for {request.url}")

    # What a person does.

    def go(self, path: str) -> Page:
        """Open an address of the studio."""
        self.page.goto(path)
        return self.page

    def sign_in(self, person: Person) -> Page:
        """Sign in by the form, as a person does."""
        page = self.go("/sign-in")
        form = page.locator("form").filter(has=page.locator("input[type=password]"))
        form.locator("input[name=email]").fill(person.email)
        form.locator("input[type=password]").fill(person.password)
        with page.expect_navigation(url=lambda url: "/sign-in" not in url):
            form.locator("button[type=submit]").click()
        return page

    def open_menu(self, name: str) -> Locator:
        """Open the menu of that name at the top of the page."""
        summary = self.page.locator("details.menu > summary").filter(has_text=name)
        summary.click()
        return summary.locator("..")

    def press(self, name: str, *, within: Locator | None = None) -> None:
        """Press the button of that name."""
        (within or self.page).get_by_role("button", name=name, exact=True).first.click()

    def agree(self) -> None:
        """Say yes to what is asked first."""
        dialog = self.page.locator("dialog#confirm")
        expect(dialog).to_be_visible()
        dialog.locator("button[value=yes]").click()

    def drop(self, zone: str, files: Iterable[tuple[str, bytes]]) -> None:
        """Drop files on the label of a file field, by the events that a mouse makes."""
        import base64

        given = [{"name": name, "data": base64.b64encode(data).decode()} for name, data in files]
        self.page.locator(zone).evaluate(
            """(zone, files) => {
                const held = new DataTransfer();
                for (const { name, data } of files) {
                    const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
                    held.items.add(new File([bytes], name));
                }
                for (const kind of ["dragenter", "dragover", "drop"])
                    zone.dispatchEvent(new DragEvent(kind, { dataTransfer: held, bubbles: true, cancelable: true }));
            }""",
            given,
        )

    def axe(self, source: str, **options: Any) -> list[str]:
        """The serious and critical violations that axe-core finds on the present page, each as a sentence."""
        self.page.evaluate(source)
        found = self.page.evaluate("options => axe.run(document, {resultTypes: ['violations'], ...options})", options)
        return [
            f"{violation['id']} ({violation['impact']}): {violation['help']}: "
            + "; ".join(
                " ".join(map(str, node["target"])) + " – " + (node.get("failureSummary") or "")
                for node in violation["nodes"][:4]
            )
            for violation in found["violations"]
            if violation["impact"] in {"serious", "critical"}
        ]
