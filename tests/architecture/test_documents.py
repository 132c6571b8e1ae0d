"""What the documents say is so: their commands exist, their links lead somewhere, and their pictures are small."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from studio.__main__ import app
from studio.settings import ROOT, Settings

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
    if not {"node_modules", ".venv", "var"} & set(path.relative_to(ROOT).parts)
)
MOST_PICTURE_BYTES = 250_000

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_TARGET = re.compile(r"^([a-z0-9][a-z0-9-]*):", re.MULTILINE)
_SHELLS = {"", "sh", "bash", "shell", "console"}


def commands(text: str) -> Iterator[str]:
    """Every line of a shell block and every inline code of a document that may be a command."""
    for language, body in _FENCE.findall(text):
        if language in _SHELLS:
            yield from (line.strip().removeprefix("$ ") for line in body.replace("\\\n", " ").splitlines())
    yield from _INLINE.findall(_FENCE.sub("", text))


def words_of(command: str) -> list[str]:
    """A command's words without comments, variables in front and what follows a pipe; none where it is no command."""
    try:
        words = shlex.split(command.partition(" #")[0])
    except ValueError:
        return []
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words.pop(0)
    for stop in ("|", "&&", "||", ">", ";", "&"):
        if stop in words:
            words = words[: words.index(stop)]
    return words


def studio_calls() -> Iterator[tuple[str, list[str]]]:
    """Every `python -m studio …` of the documents."""
    for document in DOCUMENTS:
        for command in commands(document.read_text(encoding="utf-8")):
            words = words_of(command)
            if words[1:3] == ["-m", "studio"] and words[0].rpartition("/")[2] in {"python", "python3"}:
                yield document.relative_to(ROOT).as_posix(), words[3:]


def make_calls() -> Iterator[tuple[str, str]]:
    """Every `make target` of the documents."""
    for document in DOCUMENTS:
        for command in commands(document.read_text(encoding="utf-8")):
            words = words_of(command)
            if words[:1] == ["make"]:
                targets = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
                yield from ((document.relative_to(ROOT).as_posix(), target) for target in targets)


def anchors_of(document: Path) -> set[str]:
    """The anchors that a reader's program makes of a document's headings."""
    headings = re.findall(r"^#+ +(.+)$", _FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def unknown_part(words: list[str]) -> str | None:
    """The first word of a call that the command line does not know, or None."""
    command = get_command(app)
    for place, word in enumerate(words):
        if word in {"…", "...", "COMMAND"}:
            return None
        if isinstance(command, typer.core.TyperGroup):
            if word == "--help":
                return None
            # `inspect|export` speaks of two commands at once.
            if not set(word.split("|")) <= set(command.commands):
                return word
            command = command.commands[word.split("|")[0]]
            continue
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        return next(
            (one for one in words[place:] if one.startswith("-") and one.partition("=")[0] not in options), None
        )
    return None


class TestCommands:
    def test_of_the_studio_exist(self):
        unknown = [(document, words) for document, words in studio_calls() if unknown_part(words) is not None]
        assert not unknown

    def test_of_make_exist(self):
        targets = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
        assert not [(document, target) for document, target in make_calls() if target not in targets]

    def test_of_make_are_told_by_its_help(self):
        made = (ROOT / "Makefile").read_text(encoding="utf-8")
        told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert {line.split()[1] for line in told.splitlines()} == set(_TARGET.findall(made))

    def test_are_found_at_all(self):
        assert {target for _document, target in make_calls()} >= {"run", "test"}
        assert any(words[:1] == ["up"] for _document, words in studio_calls())

    def test_of_the_readme_begin_with_running_and_testing(self):
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        found = [words[1] for words in map(words_of, commands(readme)) if words[:1] == ["make"] and len(words) > 1]
        assert found[:2] == ["run", "test"]

    @pytest.mark.parametrize("name", sorted(get_command(app).commands))
    def test_explain_themselves_with_an_example(self, name):
        command = get_command(app).commands[name]
        assert "Example: " in (command.help or "")
        example = re.search(r"Example: (.+)", command.help)[1]
        words = words_of(example)
        assert words[1:3] == ["-m", "studio"]
        assert unknown_part(words[3:]) is None


class TestSettings:
    def test_that_documents_name_exist(self):
        known = {f"STUDIO_{name.upper()}" for name in Settings.model_fields}
        # Of the tests and benchmarks alone, and a file's place, which the program does not read.
        known |= {"STUDIO_TEST_DATABASE_URL", "STUDIO_SAMPLES", "STUDIO_BROWSER", "STUDIO_SHOTS"}
        known |= {"STUDIO_BENCH_UPLOADS"}
        named = {
            (document.relative_to(ROOT).as_posix(), name)
            for document in DOCUMENTS
            for name in re.findall(r"\bSTUDIO_[A-Z_]*[A-Z]\b", document.read_text(encoding="utf-8"))
        }
        assert not {(document, name) for document, name in named if name not in known}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
class TestLinks:
    def test_lead_somewhere(self, document):
        broken = []
        for target in _LINK.findall(_FENCE.sub("", document.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            place = (document.parent / path).resolve() if path else document
            if not place.exists() or (anchor and place.suffix == ".md" and anchor not in anchors_of(place)):
                broken.append(target)
        assert not broken


class TestPictures:
    def test_are_small(self):
        pictures = [path for path in (ROOT / "docs").rglob("*") if path.suffix in {".png", ".jpg", ".webp", ".gif"}]
        assert not [path.name for path in pictures if path.stat().st_size > MOST_PICTURE_BYTES]
