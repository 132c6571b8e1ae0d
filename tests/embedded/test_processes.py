"""What is told of a server that did not start."""

import pytest

from studio.embedded.processes import last_words


@pytest.fixture
def log(tmp_path):
    return tmp_path / "server.log"


class TestLastWords:
    def test_are_those_that_tell_of_trouble(self, log):
        log.write_text("starting\nFATAL:  could not write: No space left on device\nremoving the data directory\n")
        assert last_words(log) == "FATAL:  could not write: No space left on device"

    def test_are_the_last_lines_where_none_does(self, log):
        log.write_text("one\n\ntwo\nthree\nfour\n")
        assert last_words(log) == "two / three / four"

    def test_are_none_without_a_log(self, log):
        assert last_words(log) == "(none)"
