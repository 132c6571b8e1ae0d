"""Servers that belong to a data folder: started, shared, stopped, and found again after their launcher was killed."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from pydantic import SecretStr

from studio.embedded import attach, postgres, running
from studio.embedded.errors import AlreadyRunningError, DataVersionError, NotRunningError
from studio.embedded.services import Services, kept
from studio.embedded.urls import libpq_url
from studio.kit.errors import InvalidError
from studio.settings import ROOT, Settings

pytestmark = pytest.mark.slow

HOLDER = Path(__file__).with_name("holder.py")


@pytest.fixture
def folder(monkeypatch):
    """A data folder that only its owner can walk into, as a checkout under /root would be."""
    for name in [name for name in os.environ if name.startswith("STUDIO_")]:
        monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory(prefix="greenroom-services-") as name:
        yield Path(name) / "var"


@pytest.fixture
def own(folder):
    return Settings(_env_file=None, data=folder)


@contextmanager
def launcher(folder):
    """A launcher in its own process, killed in the end; yields it and what it said."""
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, HOLDER, folder], stdout=subprocess.PIPE, env=environment)
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def servers_in(folder):
    """The living servers whose data lies under `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder.resolve()):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def gone(folder, *, seconds=30):
    deadline = time.monotonic() + seconds
    while servers_in(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not servers_in(folder)


def pid_in(folder):
    """The id of the postmaster that works in `folder`, or nothing while there is none."""
    try:
        return (folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    except (FileNotFoundError, IndexError):
        return ""


def row(url, query):
    with psycopg.connect(libpq_url(url)) as connection:
        return connection.execute(query).fetchone()


class TestRunning:
    def test_brings_a_database_and_a_queue_and_takes_them_away(self, own, folder):
        with running(own) as live:
            url = live.database_url.get_secret_value()
            assert row(url, "SELECT current_user, cardinality(show_trgm('你好世界')) > 0") == ("greenroom", True)
            assert redis.Redis.from_url(live.redis_url.get_secret_value()).ping()
            assert servers_in(folder)
        assert not servers_in(folder)
        assert Services.read(own) is None

    def test_keeps_the_data_for_the_next_time(self, own):
        with running(own) as live, psycopg.connect(libpq_url(live.database_url.get_secret_value())) as connection:
            connection.execute("CREATE TABLE kept AS SELECT '角色' AS name")
        with running(own) as live:
            assert row(live.database_url.get_secret_value(), "SELECT name FROM kept") == ("角色",)

    def test_gives_the_studio_no_superuser(self, own):
        with running(own) as live:
            query = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
            assert row(live.database_url.get_secret_value(), query) == (False,)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
    def test_runs_no_server_as_root(self, own, folder):
        with running(own):
            assert {process.username() for process in servers_in(folder)} == {"nobody"}

    def test_shows_no_password_to_other_users(self, own, folder):
        with running(own) as live:
            note = Services.place(own)
            assert note.stat().st_mode & 0o077 == 0
            passwords = [
                live.database_url.get_secret_value().split(":")[2].split("@")[0],
                live.redis_url.get_secret_value().split(":")[2].split("@")[0],
            ]
            lines = " ".join(" ".join(process.cmdline()) for process in servers_in(folder))
            assert not any(password in lines for password in passwords)

    def test_starts_nothing_where_both_addresses_are_given(self, own, folder):
        given = own.model_copy(
            update={"database_url": SecretStr("postgres://a:b@h/c"), "redis_url": SecretStr("redis://h/0")}
        )
        with running(given) as live:
            assert live.database_url.get_secret_value() == "postgresql+psycopg://a:b@h/c"
        assert not folder.exists()

    def test_stops_the_servers_when_the_work_fails(self, own, folder):
        with pytest.raises(ZeroDivisionError), running(own):
            _ = 1 / 0
        assert not servers_in(folder)

    def test_refuses_data_of_another_postgresql(self, own, folder):
        (folder / "postgres").mkdir(parents=True)
        (folder / "postgres" / "PG_VERSION").write_text("15\n")
        with pytest.raises(DataVersionError, match=r"PostgreSQL 15, .* PostgreSQL 18"), running(own):
            pass

    def test_begins_anew_after_an_interrupted_first_start(self, own, folder):
        draft = folder / "postgres.new"
        draft.mkdir(parents=True)
        (draft / "half").write_text("a file of a killed initdb")
        with running(own) as live:
            assert row(live.database_url.get_secret_value(), "SELECT 1") == (1,)
        assert not draft.exists()


class TestKept:
    """What a launcher does for its servers while it is up."""

    @staticmethod
    def look_until_back(servers, name):
        said = []
        deadline = time.monotonic() + 60
        while (name, "is back") not in said and time.monotonic() < deadline:
            servers.look(say=lambda *words: said.append(words))
            time.sleep(0.05)
        return said

    def test_starts_a_killed_postgresql_where_it_was_with_all_that_was_committed(self, own, folder):
        with kept(own) as servers:
            url = servers.settings.database_url.get_secret_value()
            with psycopg.connect(libpq_url(url)) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
            note = json.loads(Services.place(own).read_text())
            [postmaster] = [each for each in servers_in(folder) if each.pid == int(pid_in(folder))]
            postmaster.kill()
            assert self.look_until_back(servers, "postgres") == [
                ("postgres", "ended (SIGKILL); starting it again"),
                ("postgres", "is back"),
            ]
            assert row(url, "SELECT one FROM kept") == (1,)
            assert json.loads(Services.place(own).read_text()) == note
        assert not servers_in(folder)

    def test_is_not_stopped_by_a_process_of_the_killed_one_that_is_busy(self, own, folder):
        with kept(own) as servers:
            url = servers.settings.database_url.get_secret_value()
            with psycopg.connect(libpq_url(url)) as connection:
                pid = connection.info.backend_pid
                # A process that is stopped notices nothing, as one deep in a calculation does not.
                os.kill(pid, signal.SIGSTOP)
                os.kill(int(pid_in(folder)), signal.SIGKILL)
                assert ("postgres", "is back") in self.look_until_back(servers, "postgres")
            assert row(url, "SELECT 1") == (1,)

    def test_starts_a_killed_valkey_where_it_was(self, own, folder):
        with kept(own) as servers:
            url = servers.settings.redis_url.get_secret_value()
            os.kill(int((folder / "run" / "valkey.pid").read_text()), signal.SIGKILL)
            assert ("valkey", "is back") in self.look_until_back(servers, "valkey")
            assert redis.Redis.from_url(url).ping()

    def test_does_not_wait_for_a_server_once_asked_to_stop(self, own, folder):
        with kept(own) as servers:
            os.kill(int(pid_in(folder)), signal.SIGKILL)
            deadline = time.monotonic() + 30
            began = int(pid_in(folder))
            while int(pid_in(folder) or began) == began and time.monotonic() < deadline:
                servers.look(say=lambda *_: None, give_up=lambda: True)
                time.sleep(0.05)
        assert not servers_in(folder)


class TestAnotherLauncher:
    def test_is_shared_by_those_who_only_need_servers(self, own, folder):
        with launcher(folder) as (_, said):
            assert attach(own).database_url.get_secret_value() == said["database_url"]
            with running(own) as live:
                assert live.database_url.get_secret_value() == said["database_url"]
            assert servers_in(folder)

    def test_is_named_to_one_who_wants_the_folder_alone(self, own, folder):
        with (
            launcher(folder) as (process, _),
            pytest.raises(AlreadyRunningError, match=f"process {process.pid}"),
            running(own, exclusive=True),
        ):
            pass

    def test_leaves_nothing_when_told_to_end(self, folder):
        with launcher(folder) as (process, _):
            process.terminate()
            assert process.wait(30) == 0
            assert not servers_in(folder)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends servers with their launcher")
    def test_leaves_no_server_when_killed(self, own, folder):
        with launcher(folder) as (process, said):
            with psycopg.connect(libpq_url(said["database_url"])) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
            process.kill()
            process.wait()
            assert gone(folder)
        with pytest.raises(NotRunningError):
            attach(own)
        with running(own) as live:
            assert row(live.database_url.get_secret_value(), "SELECT one FROM kept") == (1,)

    def test_is_followed_by_the_next_even_if_its_servers_were_killed_too(self, own, folder):
        with launcher(folder) as (process, _):
            for server in servers_in(folder):
                server.kill()
            process.kill()
            process.wait()
        assert (folder / "postgres" / "postmaster.pid").exists()
        with running(own) as live:
            assert row(live.database_url.get_secret_value(), "SELECT 1") == (1,)

    def test_does_not_keep_the_next_waiting_for_a_stranger_with_the_same_id(self, own, folder):
        with running(own):
            pass
        # This very process has the id of the note, and is no PostgreSQL.
        (folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n")
        with running(own) as live:
            assert row(live.database_url.get_secret_value(), "SELECT 1") == (1,)

    def test_hands_over_a_server_that_outlived_it(self, own, folder):
        log = folder / "logs" / "postgres.log"
        survivor = postgres.start(folder / "postgres", log=log, durable=False)
        try:
            with running(own) as live:
                assert row(live.database_url.get_secret_value(), "SELECT 1") == (1,)
                assert survivor.process.wait(10) == 0
        finally:
            survivor.process.send_signal(signal.SIGQUIT)


class TestAttach:
    def test_says_how_to_start_what_does_not_run(self, own):
        with pytest.raises(NotRunningError, match="make run"):
            attach(own)

    def test_believes_no_note_of_servers_that_are_gone(self, own, folder):
        (folder / "run").mkdir(parents=True)
        Services(owner=1, database_url="postgresql://a:b@127.0.0.1:9/c", redis_url="redis://127.0.0.1:9/0").write(own)
        with pytest.raises(NotRunningError):
            attach(own)

    def test_refuses_the_address_of_something_else(self, own):
        given = own.model_copy(update={"database_url": SecretStr("mysql://h/c"), "redis_url": SecretStr("redis://h/0")})
        with pytest.raises(InvalidError, match="STUDIO_DATABASE_URL"):
            attach(given)
