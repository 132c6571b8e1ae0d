"""The benchmarks run to their end on a small sample; how quick anything is, only `make bench` says."""

import json
import os
import subprocess
import sys

import pytest

from studio.settings import ROOT
from tests.benchmarks import run

LONG = {"semantic_search", "bulk_import"}


@pytest.mark.slow
class TestBenchmarks:
    @pytest.mark.parametrize(
        ("name", "needs", "lines"),
        [
            ("semantic_search", "numpy", 18),
            ("character_list", "django", 7),
            ("bulk_import", "httpx2", 2),
            ("card_export", "numpy", 3),
            ("desk_next", "django", 3),
        ],
    )
    def test_run_to_their_end(self, tmp_path, name, needs, lines):
        if name in LONG and "STUDIO_NIGHTLY_RUNS" not in os.environ:
            pytest.skip("it takes most of a minute; `make nightly` runs it")
        pytest.importorskip(needs, reason="it stands in requirements/bench.lock only")
        output = tmp_path / "results.json"
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", name, "--quick", "--output", str(output)],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads((tmp_path / run.RUN).read_text())["failures"] == {}
        results = json.loads(output.read_text())
        assert len(results) == lines
        for result in results:
            assert set(result) == {"name", "unit", "ours", "peer", "peer_name", "ratio", "goal", "met"}

    def test_go_on_after_one_that_fails_and_say_so(self, tmp_path, monkeypatch):
        monkeypatch.setattr(run, "NAMES", ("nothing_here", "nothing_there"))
        output = tmp_path / "results.json"
        with pytest.raises(SystemExit) as ended:
            run.main(["--quick", "--output", str(output)])
        assert ended.value.code == 2
        assert json.loads(output.read_text()) == []
        failures = json.loads((tmp_path / run.RUN).read_text())["failures"]
        assert set(failures) == {"nothing_here", "nothing_there"}
        assert all("ModuleNotFoundError" in why for why in failures.values())

    def test_end_one_that_hangs(self, tmp_path, monkeypatch):
        monkeypatch.setattr(run, "LONGEST", 0.0)
        output = tmp_path / "results.json"
        with pytest.raises(SystemExit):
            run.main(["recovery", "--quick", "--output", str(output)])
        assert "not run" in json.loads((tmp_path / run.RUN).read_text())["failures"]["recovery"]

    def test_refuse_a_name_that_is_none(self):
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", "nonsense"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "there is no benchmark called nonsense" in done.stderr
