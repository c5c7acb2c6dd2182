"""tools/ask_model.py QUESTION    asks the model of the environment by the official SDK, as docs/verdict.md tries it

The answer goes to the standard output as it comes. Exit status 1: it failed, and one line says so.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import openai


def _leave_limits(response: Any) -> None:
    """The SDK asks a 429 again, also where the quota is used up, which waiting does not change."""
    if response.status_code == 429:
        response.headers["x-should-retry"] = "false"


def main() -> int:
    """Ask, and print the answer as it comes."""
    http_client = openai.DefaultHttpxClient(event_hooks={"response": [_leave_limits]})
    client = openai.OpenAI(timeout=10, max_retries=1, http_client=http_client)
    model = os.environ.get("OPENAI_MODEL", "gpt-4o")
    finished = False
    try:
        chunks = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": sys.argv[1]}], stream=True
        )
        for chunk in chunks:
            for choice in chunk.choices:
                print(choice.delta.content or "", end="", flush=True)
                finished |= choice.finish_reason is not None
    except (openai.OpenAIError, ValueError, OSError) as error:
        print(f"\nThe answer failed ({type(error).__name__}).", file=sys.stderr)
        return 1
    print()
    if not finished:
        print("The answer broke off.", file=sys.stderr)
    return 0 if finished else 1


if __name__ == "__main__":
    raise SystemExit(main())
