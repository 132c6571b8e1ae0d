"""Set-up: what is in place is left alone, and what is missing is said."""

import tomllib

import pytest

from studio import bootstrap


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of which set-up believes that all steps are its own; every program that it would run is noted."""
    calls = []
    places = {
        "ROOT": tmp_path,
        "ENVIRONMENT": tmp_path / ".venv",
        "LOCKS": tmp_path / "requirements",
        "STAMP": tmp_path / ".venv" / "set-up.json",
        "VENDOR": tmp_path / "vendor",
        "ICONS": tmp_path / "icons.txt",
        "TRANSLATIONS": tmp_path / "translations",
    }
    for name, place in places.items():
        monkeypatch.setattr(bootstrap, name, place)
    for folder in (places["ENVIRONMENT"], places["LOCKS"]):
        folder.mkdir()
    for name in bootstrap.PROFILES:
        (places["LOCKS"] / f"{name}.lock").write_text(f"{name}==1\n")
    places["ICONS"].write_text("bell\n")
    sprite = tmp_path / "node_modules" / bootstrap.SPRITE
    for source in (*bootstrap.ASSETS.values(), bootstrap.SPRITE):
        (tmp_path / "node_modules" / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "node_modules" / source).write_text("x\n//# sourceMappingURL=x.map\n")
    sprite.write_text('<svg><symbol id="tabler-bell"><path/></symbol><symbol id="tabler-zzz"><path/></symbol></svg>')

    class Done:
        returncode, stdout, stderr = 0, "", b""

    def note(command, **_):
        calls.append(" ".join(map(str, command)))
        return Done

    monkeypatch.setattr(bootstrap.subprocess, "run", note)
    monkeypatch.setattr(bootstrap, "npm", lambda: ["npm"])
    return tmp_path, calls


def installs(calls):
    return [call for call in calls if " install " in call or " ci " in call]


class TestSetUp:
    def test_does_nothing_the_second_time(self, checkout):
        _, calls = checkout
        bootstrap.set_up("run")
        assert installs(calls)
        calls.clear()
        bootstrap.set_up("run")
        assert installs(calls) == []

    def test_installs_again_when_a_lock_changed(self, checkout):
        folder, calls = checkout
        bootstrap.set_up("run")
        calls.clear()
        (folder / "requirements" / "run.lock").write_text("run==2\n")
        bootstrap.set_up("run")
        assert any("run.lock" in call for call in installs(calls))
        assert not any(" ci " in call for call in calls)

    def test_finds_what_tests_installed_enough_for_running(self, checkout):
        folder, calls = checkout
        (folder / "node_modules" / "axe-core").mkdir()
        bootstrap.set_up("dev")
        calls.clear()
        bootstrap.set_up("run")
        assert installs(calls) == []

    def test_keeps_the_voices_that_were_added(self, checkout):
        folder, calls = checkout
        bootstrap.set_up("run")
        calls.clear()
        bootstrap.set_up("voices")
        assert [call.endswith("voices.lock") for call in installs(calls) if ".lock" in call][-1]
        calls.clear()
        (folder / "requirements" / "run.lock").write_text("run==2\n")
        bootstrap.set_up("run")
        # Nothing is taken away: what is installed is added to what is there.
        assert not any("uninstall" in call or " sync " in call for call in calls)
        calls.clear()
        bootstrap.set_up("voices")
        assert installs(calls) == []

    def test_adds_the_voices_that_pyproject_names(self):
        project = tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text())["project"]
        wanted = (bootstrap.LOCKS / "voices.in").read_text().split()
        assert wanted == project["optional-dependencies"]["voices"]
        assert wanted[0].split(">")[0] + "==" in (bootstrap.LOCKS / "voices.lock").read_text()

    def test_gets_the_screen_libraries_again_when_a_file_is_gone(self, checkout):
        folder, calls = checkout
        bootstrap.set_up("run")
        calls.clear()
        (folder / "vendor" / "htmx" / "htmx.min.js").unlink()
        bootstrap.set_up("run")
        assert any(" ci " in call for call in calls)
        assert (folder / "vendor" / "htmx" / "htmx.min.js").read_text().strip() == "x"

    def test_believes_no_damaged_stamp(self, checkout):
        folder, calls = checkout
        (folder / ".venv" / "set-up.json").write_text('{"run": ')
        bootstrap.set_up("run")
        assert installs(calls)


class TestSpriteOf:
    def test_holds_the_named_icons_alone(self):
        whole = '<svg><symbol id="tabler-bell"><path/></symbol><symbol id="tabler-zzz"><path/></symbol></svg>'
        made = bootstrap.sprite_of(whole, ["bell"])
        assert 'id="tabler-bell"' in made
        assert "zzz" not in made

    def test_names_an_icon_that_does_not_exist(self):
        with pytest.raises(bootstrap.SetUpError, match="no-such"):
            bootstrap.sprite_of("<svg></svg>", ["no-such"])


class TestMain:
    def test_tells_an_old_python_what_is_needed(self, monkeypatch, capsys):
        monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
        monkeypatch.setattr(bootstrap, "newer_python", lambda: None)
        assert bootstrap.main(["run"]) == 1
        assert "needs Python 3.11 or newer, and this is 3.9" in capsys.readouterr().err

    def test_refuses_what_it_does_not_know(self, capsys):
        assert bootstrap.main(["everything"]) == 2 or "Say what to set up" in capsys.readouterr().err
