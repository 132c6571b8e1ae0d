"""Both languages are whole: every sentence that the program can say has its words in Chinese."""

import os
import re
import subprocess
import sys
from io import BytesIO

import pytest
from babel.messages.pofile import read_po

from studio.settings import ROOT
from studio.translations.sentences import extract, extract_screens

CATALOGUE = ROOT / "studio" / "translations" / "zh_Hans" / "LC_MESSAGES" / "messages.po"
PLACEHOLDER = re.compile(r"%\((\w+)\)[sdf]|%\((\w+)\)\.\df")


def key(message):
    return message.id if isinstance(message.id, str) else message.id[0]


def words(message):
    return message.string if isinstance(message.string, str) else message.string[0]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Every sentence in the program, as Babel finds it."""
    template = tmp_path_factory.mktemp("words") / "messages.pot"
    command = [sys.executable, "-m", "babel.messages.frontend", "-q", "extract", "-F", "babel.cfg"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*command, "-k", "_l", "-k", "lazy_gettext", "-o", str(template), "."], cwd=ROOT, env=environment, check=True
    )
    with template.open("rb") as file:
        return {key(message) for message in read_po(file) if message.id}


@pytest.fixture(scope="module")
def chinese():
    with CATALOGUE.open("rb") as file:
        return {key(message): message for message in read_po(file, locale="zh_Hans") if message.id}


class TestChinese:
    def test_has_words_for_every_sentence(self, found, chinese):
        missing = sorted(text for text in found if text not in chinese or not words(chinese[text]))
        assert missing == []

    def test_has_no_words_for_what_nobody_says_any_more(self, found, chinese):
        assert sorted(set(chinese) - found) == []

    def test_keeps_every_placeholder(self, chinese):
        wrong = [
            text
            for text, message in chinese.items()
            if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(words(message)))
        ]
        assert wrong == []

    def test_is_not_guessed(self, chinese):
        assert [text for text, message in chinese.items() if message.fuzzy] == []

    def test_is_what_a_reader_of_it_sees(self, client, chinese):
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po as read

        compiled = CATALOGUE.with_suffix(".mo")
        if not compiled.is_file():
            with CATALOGUE.open("rb") as file, compiled.open("wb") as out:
                write_mo(out, read(file, locale="zh_Hans"))
        page = client.get("/sign-in", headers={"Accept-Language": "zh-CN"}).text
        assert words(chinese["Sign in"]) in page
        assert "Sign in" not in page


class TestSentences:
    def test_finds_what_the_domains_say(self):
        source = b'''
"""A module."""
def f(run):
    """It does."""
    raise NotLikeThatError("The file is empty. Choose another file.", fields={"name": "This is too long."})
    raise LimitError("At most %(most)s words.", most=3)
    run.progress("Reading the card", 10)
    log.info(f"Some {x} text here.")
    sql = "select * from x"
'''
        assert sorted(text for _line, _function, text, _comments in extract(BytesIO(source), {}, ())) == [
            "At most %(most)s words.",
            "Reading the card",
            "The file is empty. Choose another file.",
            "This is too long.",
        ]

    def test_finds_what_screens_mark_and_with_what_they_refuse(self):
        source = b'''
"""A module."""
def f(form, wrong):
    """It does."""
    flash(_("Saved."), "success")
    raise InvalidError("Choose a picture first.", fields={name: "This is no picture."}) from None
    sentence = "Write a number, please."
    wrong[name] = "Write the date as year-month-day."
    log.info("The log has its own words.")
'''
        assert sorted(
            text for _line, _function, text, _comments in extract_screens(BytesIO(source), {"_": None}, ())
        ) == [
            "Choose a picture first.",
            "Saved.",
            "This is no picture.",
            "Write a number, please.",
            "Write the date as year-month-day.",
        ]
