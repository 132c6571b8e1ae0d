"""Sentences that were kept with their values filled in, told again in the reader's language."""

import pytest

from admin_views.kept_sentences import told_again


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (
            "The picture server is failing just now (HTTP 503). Try again later.",
            "图片服务器目前出错（HTTP 503），请稍后再试。",
        ),
        ("The picture server refuses the request (HTTP 400).", "图片服务器拒绝了请求（HTTP 400）。"),
        (
            "ElevenLabs is failing just now (HTTP 500). Try again in a few minutes.",
            "ElevenLabs 目前出错（HTTP 500）。请过几分钟再试。",
        ),
        # Nobody said these in Chinese: they stay as they are, also where signs of formats stand in them.
        ("ValueError: 100 % of %(nothing)s", "ValueError: 100 % of %(nothing)s"),
        ("", ""),
    ],
)
def test_are_told_with_their_values(app, sentence, told):
    with app.test_request_context(headers={"Accept-Language": "zh-CN"}):
        assert told_again(sentence) == told
    with app.test_request_context(headers={"Accept-Language": "en-GB"}):
        assert told_again(sentence) == sentence
