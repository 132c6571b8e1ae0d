"""Whoever follows the studio's links arrives: from the first page on, for every role, with the demo's rows in the pages."""

import re
import time
from collections import Counter, deque
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
import sqlalchemy as sa

from studio.accounts import demo_accounts
from studio.accounts.permissions import RoleName
from studio.work.models import FINAL, JobRun

OF_A_KIND = 2
"""Addresses that differ in ids and numbers alone, of which so many are followed."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")
_VALUE = re.compile(r"=[^&]*")


class Links(HTMLParser):
    """What a page leads to, loads or asks for by itself, and its forms' token."""

    def __init__(self, text):
        super().__init__()
        self.found, self.token = [], ""
        self.feed(text)

    def handle_starttag(self, _tag, attrs):
        given = dict(attrs)
        self.found += [given[name] for name in ("href", "src", "hx-get") if given.get(name)]
        if given.get("name") == "csrf_token":
            self.token = given["value"]


class Walker:
    """One person who follows links."""

    def __init__(self, address):
        self.address = address
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))
        self.opener.addheaders = [("Accept", "text/html"), ("Accept-Language", "en")]

    def open(self, path, data=None):
        """The status, and the text where it is a page."""
        sent = urlencode(data).encode() if data else None
        try:
            with self.opener.open(urljoin(self.address, path), data=sent, timeout=30) as answer:
                is_page = "html" in answer.headers.get("Content-Type", "")
                return answer.status, answer.read().decode() if is_page else ""
        except HTTPError as error:
            with error:
                return error.code, ""

    def sign_in(self, email):
        token = Links(self.open("/sign-in")[1]).token
        self.open("/sign-in", {"email": email, "password": demo_accounts.PASSWORD, "csrf_token": token})

    def broken(self, *starts):
        """Addresses that answer with an error, each with the page that leads there; and how many were followed."""
        waiting, known, followed, wrong = deque((path, "") for path in starts), set(starts), Counter(), []
        while waiting:
            path, page = waiting.popleft()
            kind = _VALUE.sub("=", _ID.sub("#", path))
            if path not in starts and followed[kind] >= OF_A_KIND:
                continue
            followed[kind] += 1
            status, text = self.open(path)
            if status >= 400:
                wrong.append((status, path, page))
            for link in Links(text).found:
                there = urlsplit(urljoin(urljoin(self.address, path), link))
                target = there.path + (f"?{there.query}" if there.query else "")
                is_ours = f"{there.scheme}://{there.netloc}" == self.address and not target.startswith("/static/")
                if is_ours and target not in known:
                    known.add(target)
                    waiting.append((target, path))
        return wrong, followed.total()


def finished_jobs(stage):
    """The page of one job of each name and outcome; that of a screening is waited for, since the demo asked for some."""
    query = sa.select(sa.func.min(JobRun.id.cast(sa.Text)), JobRun.name).group_by(JobRun.name, JobRun.state)
    for _ in range(120):
        with stage.session() as session:
            done = session.execute(query.where(JobRun.state.in_(FINAL))).all()
        if "market.screen_listing" in {name for _, name in done}:
            break
        time.sleep(0.5)
    return [f"/jobs/{job_id}" for job_id, _ in done]


@pytest.mark.parametrize("account", demo_accounts.ACCOUNTS, ids=lambda account: account.name)
def test_every_link_leads_somewhere(stage, account):
    walker = Walker(stage.address)
    walker.sign_in(account.email)
    more = finished_jobs(stage) if RoleName.STAFF in account.roles else ()
    wrong, count = walker.broken("/", *more)
    assert not wrong
    # Of the public pages alone there are a handful: this one was let in.
    assert count > 40
