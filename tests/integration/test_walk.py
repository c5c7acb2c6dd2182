"""ARCHITECTURE.md's walk of one chat request is what really happens, in that order."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import httpx2
import pytest

from mockserver.harness.mock_server import MockServer

ROOT = Path(__file__).parents[2]
WALK = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## One chat request")[2]
STAYS = re.findall(r"^(\S+\.py) +(\w+(?:\.\w+)?)", WALK, re.MULTILINE)
#: In the Functions host's own process, where nothing here can look.
_ELSEWHERE = ("api/", "mockserver/functions/")


def test_a_chat_request_walks_as_the_page_says(
    mock_server: MockServer, persona: Callable[[str], httpx2.Client]
) -> None:
    watch_all = getattr(threading, "setprofile_all_threads", None)
    if watch_all is None:
        pytest.skip("threads that run already cannot be watched before Python 3.12")
    calls: list[tuple[str, str]] = []

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and "/mockserver/" in code.co_filename:
            name = f"mockserver/{code.co_filename.rpartition('/mockserver/')[2]}"
            calls.append((name, code.co_qualname.removesuffix(".__init__")))

    client = persona("alice")
    client.get("/api/me")  # signed in, and every module loaded
    watch_all(watch)
    try:
        ask = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "stream": True}
        assert "Paris" in client.post("/api/chat/completions", json=ask).text
    finally:
        watch_all(None)
    # The last four steps are of other answers than a recording.
    walk = [stay for stay in STAYS if not stay[0].startswith(_ELSEWHERE)]
    expected = [
        stay
        for stay in walk
        if stay[1] not in ("leave_to_upstream", "answer_from_store", "generate_answer", "report_miss")
    ]
    rest = iter(calls)
    assert [stay for stay in expected if stay not in rest] == []
