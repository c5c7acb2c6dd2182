"""An answer made up where none was recorded: from the request alone, and saying so."""

from __future__ import annotations

from dataclasses import replace

from mockserver.exchange import Answer, Request
from mockserver.matching import Question, last_prompt
from mockserver.say import Pace, Said, expand

#: About a hosted model's pace; a profile, not a measurement.
PACE = Pace(first_ms=600, each_ms=22)


def generate(request: Request, question: Question, *, at_s: float) -> Answer:
    """A chat completion for a request no stub fits, the same one each time it is asked."""
    prompt = (last_prompt(request.json_object()) or "").strip()
    asked = f"You asked: “{prompt[:200]}{'…' * (len(prompt) > 200)}”" if prompt else "You asked nothing"
    text = (
        f"{asked}\n\nNo recording fits this question, so here is an answer **made up by the mock**: "
        "it has the shape of a real one and nothing of its sense.\n\n"
        "To get a real answer, record one or say one by hand:\n\n"
        f"```yaml\n- when: {{prompt: {_quoted(prompt[:60])}}}\n  say: What it should answer\n```\n"
    )
    answer = expand(Said(text, pace=PACE), request, seed=question.fingerprint, at_s=at_s)
    return replace(answer, headers=(*answer.headers, ("x-mockserver-answer", "made up")), decided_by="made up")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
