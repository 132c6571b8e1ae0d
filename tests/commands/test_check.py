"""The check says what is missing and how to get it."""

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from pydantic import SecretStr

from studio import check, migrate
from studio.embedded.urls import libpq_url


def found(findings, subject):
    return next(finding for finding in findings if finding.subject == subject)


def with_database(settings, url):
    return settings.model_copy(update={"database_url": SecretStr(url)})


class TestRun:
    def test_finds_nothing_to_mend_in_the_servers_that_we_bring(self, settings):
        findings = [finding for finding in check.run(settings) if finding.subject != "Screen libraries"]
        assert [finding for finding in findings if not finding.is_well] == []
        assert found(findings, "Chinese search").found == "pg_trgm sees Chinese"

    def test_finds_a_database_that_is_blind_to_chinese(self, settings, servers):
        name = "greenroom_blind"
        with psycopg.connect(libpq_url(servers.admin_url), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            connection.execute(
                "CREATE DATABASE greenroom_blind TEMPLATE template0 LOCALE_PROVIDER libc LC_CTYPE 'C' LC_COLLATE 'C'"
            )
            try:
                url = servers.admin_url.rsplit("/", 1)[0] + f"/{name}"
                with psycopg.connect(libpq_url(url), autocommit=True) as blind:
                    blind.execute("CREATE EXTENSION pg_trgm")
                finding = found(check.run(with_database(settings, url)), "Chinese search")
            finally:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        assert finding.found == "pg_trgm is blind to Chinese"
        assert "LC_CTYPE 'C.UTF-8'" in finding.remedy

    def test_names_the_extension_that_has_to_be_made(self, settings, empty_database_url):
        finding = found(check.run(with_database(settings, empty_database_url)), "Extension vector")
        assert finding.remedy == "As a superuser, in this database: CREATE EXTENSION vector;"

    def test_finds_tables_that_are_behind(self, settings, empty_database_url):
        finding = found(check.run(with_database(settings, empty_database_url)), "Tables")
        assert "studio migrate" in finding.remedy

    def test_says_that_a_server_does_not_answer_without_its_password(self, settings):
        url = "postgresql://someone:hush-hush@127.0.0.1:9/nothing"
        finding = found(check.run(with_database(settings, url)), "PostgreSQL")
        assert finding.found == "does not answer"
        assert "STUDIO_DATABASE_URL" in finding.remedy
        assert "hush-hush" not in finding.remedy

    def test_says_that_redis_does_not_answer(self, settings):
        broken = settings.model_copy(update={"redis_url": SecretStr("redis://:hush-hush@127.0.0.1:9/0")})
        finding = found(check.run(broken), "Redis")
        assert "STUDIO_REDIS_URL" in finding.remedy
        assert "hush-hush" not in finding.remedy

    def test_finds_a_data_folder_that_cannot_be_written(self, settings, tmp_path):
        (tmp_path / "file").write_text("in the way")
        blocked = settings.model_copy(update={"data": tmp_path / "file" / "var"})
        assert "STUDIO_DATA" in found(check.run(blocked), "Data folder").remedy

    def test_finds_missing_screen_libraries(self, settings, tmp_path, monkeypatch):
        monkeypatch.setattr(check, "ROOT", tmp_path)
        assert found(check.run(settings), "Screen libraries").remedy == "Run `make setup`."


class TestUpgrade:
    def test_brings_an_empty_database_to_the_head_and_has_nothing_to_do_then(self, empty_database_url, servers):
        superuser = sa.make_url(servers.admin_url).set(database=sa.make_url(empty_database_url).database)
        with psycopg.connect(libpq_url(superuser.render_as_string(hide_password=False)), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        told = []
        taken = migrate.upgrade(empty_database_url, on_step=lambda *step: told.append(step))
        assert [step[0] for step in told] == list(range(1, taken + 1))
        assert migrate.status(empty_database_url).is_at_head
        assert migrate.upgrade(empty_database_url) == 0

    def test_refuses_a_database_of_a_newer_program(self, committed_database):
        with psycopg.connect(libpq_url(committed_database.url)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
        with pytest.raises(migrate.DatabaseTooNewError, match="from-the-future"):
            migrate.upgrade(committed_database.url)
