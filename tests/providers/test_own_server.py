"""Which addresses are a server of the studio's own."""

import pytest

from studio.providers.own_server import is_own


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8188", True),
        ("http://[::1]:8188", True),
        ("http://10.1.2.3/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://ollama:11434/v1", True),
        ("http://gpu.lan", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://10.1.2.3.example.com", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_own_is_what_says_so_by_itself(url, own):
    assert is_own(url) is own
