"""The command line: every command explains itself, and fails with one sentence."""

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa
import typer
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from studio import __main__ as program
from studio.operations import error_log
from studio.operations.models import ErrorLog
from studio.settings import ROOT


def commands(group=None, words=()):
    """Every command of the program, as the words by which it is called."""
    group = group or typer.main.get_command(program.app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


@pytest.fixture
def run(tmp_path):
    """Calls the program as a person does, in a process of its own."""

    def call(*words, **settings):
        environment = {"PATH": os.defpath, "STUDIO_DATA": str(tmp_path / "var"), **settings}
        return subprocess.run(
            [sys.executable, "-m", "studio", *map(str, words)],
            cwd=ROOT,
            env=environment,
            input="a-long-enough-password\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return call


def broken(*_args, **_kwargs):
    raise RuntimeError("api_key=sk-abcdefghijklmnop")


def assert_is_kept(error, told):
    """The error log has what went wrong, under the reference that the person was told, and no secret."""
    assert f"reference {error.reference}." in told
    assert (error.source, error.place, error.error_type) == ("command", "cards", "RuntimeError")
    assert "sk-" not in error.message + error.stack_trace


class TestEveryCommand:
    def test_is_there(self):
        named = {" ".join(words) for words in commands()}
        assert named >= {
            *("up", "web", "worker", "scheduler", "migrate", "demo", "check"),
            *("cards inspect", "cards export", "user create"),
        }

    @pytest.mark.parametrize("words", list(commands()), ids=" ".join)
    def test_has_help_with_an_example_of_itself(self, words):
        result = CliRunner().invoke(program.app, [*words, "--help"])
        assert result.exit_code == 0
        assert f"python -m studio {' '.join(words)}" in " ".join(result.output.split())


class TestFailure:
    def test_names_the_setting_that_is_wrong(self, run):
        result = run("check", STUDIO_PORT="abc")
        assert result.returncode == 1
        assert result.stderr.startswith("STUDIO_PORT is not right: ")

    @pytest.mark.parametrize("word", ["web", "worker", "scheduler"])
    def test_says_how_to_start_what_does_not_run(self, run, word):
        result = run(word)
        assert result.returncode == 1
        assert "make run" in result.stderr
        assert "Traceback" not in result.stderr

    def test_is_one_sentence_for_a_file_that_is_no_card(self, run, tmp_path):
        (tmp_path / "shopping.json").write_text('{"milk": 2}')
        result = run("cards", "inspect", tmp_path / "shopping.json")
        assert result.returncode == 1
        assert len(result.stderr.strip().splitlines()) == 1

    def test_says_that_the_database_does_not_answer(self, run):
        result = run("migrate", STUDIO_DATABASE_URL="postgresql://x:y@127.0.0.1:1/z")
        assert result.returncode == 1
        assert result.stderr.strip().splitlines()[-1].startswith("The database does not answer.")
        assert "reference" not in result.stderr

    def test_names_the_roles_that_there_are(self, run):
        result = run("user", "create", "ada@example.org", "--role", "queen")
        assert result.returncode == 1
        assert "creator, moderator, staff, admin" in result.stderr

    def test_keeps_what_nobody_expected_for_the_next_studio_that_is_up(self, session, tmp_path, monkeypatch, now):
        monkeypatch.setenv("STUDIO_DATA", str(tmp_path))
        monkeypatch.setattr("studio.cards.command.inspect", broken)
        result = CliRunner().invoke(program.app, ["cards", "inspect", "card.png"])
        assert result.exit_code == 1
        assert error_log.collect_files(session, data=tmp_path, now=now) == 1
        assert_is_kept(session.scalars(sa.select(ErrorLog)).one(), result.output)

    def test_that_nobody_expected_is_in_the_error_log_where_the_database_answers(
        self, committed_database, redis_url, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("STUDIO_DATA", str(tmp_path))
        monkeypatch.setenv("STUDIO_DATABASE_URL", committed_database.url)
        monkeypatch.setenv("STUDIO_REDIS_URL", redis_url)
        monkeypatch.setattr("studio.cards.command.inspect", broken)
        result = CliRunner().invoke(program.app, ["cards", "inspect", "card.png"])
        assert result.exit_code == 1
        with Session(committed_database.engine) as session:
            assert_is_kept(session.scalars(sa.select(ErrorLog)).one(), result.output)

    def test_names_the_queues_that_there_are(self, run):
        result = run("worker", "--queues", "default,fast")
        assert result.returncode == 1
        assert result.stderr == "There is no queue fast. Choose from: default, pictures, bulk, background.\n"

    def test_is_one_sentence_for_a_data_folder_that_cannot_be_written(self, run, tmp_path):
        (tmp_path / "file").touch()
        result = run("up", STUDIO_DATA=str(tmp_path / "file"))
        assert result.returncode == 1
        assert len(result.stderr.strip().splitlines()) == 1
        assert "STUDIO_DATA" in result.stderr

    def test_says_which_port_is_taken(self, run):
        import socket

        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            result = run("up", STUDIO_PORT=str(other.getsockname()[1]))
        assert result.returncode == 1
        assert "STUDIO_PORT=" in result.stderr
