"""The `az` command: asked for JSON, its refusals as errors with Azure's own code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

#: How long a question may take; deployments have no limit of ours.
TIMEOUT_S = 120


class AzureError(Exception):
    """What `az` refused. `code` is Azure's own, or `NoAzureCli`, `NotLoggedIn`, `TimedOut` or `Unknown`; `message` its words, in a line."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Azure:
    """Runs `az`. `run` takes its words, what it reads from its input, and a limit in seconds."""

    run: Callable[[Sequence[str], str, float | None], subprocess.CompletedProcess[str]]

    def json(self, *words: str, given: str = "", timeout_s: float | None = TIMEOUT_S) -> Any:
        """What a command answers; None where that is nothing. `given` goes to its input, which no other process can see.

        Raises:
            AzureError: it was refused, took too long, or there is no `az`.
        """
        done = self.run([*words, "--output", "json", "--only-show-errors"], given, timeout_s)
        if done.returncode != 0:
            raise refusal(done.stderr)
        try:
            return json.loads(done.stdout) if done.stdout.strip() else None
        except ValueError as error:
            raise AzureError(
                "Unknown", f"az {' '.join(words[:3])} answered what is no JSON: {done.stdout[:80]!r}"
            ) from error


def command_line() -> Azure:
    """The `az` of this machine."""

    def run(words: Sequence[str], given: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
        found = shutil.which("az")  # on Windows it is az.cmd, which only its path starts
        if found is None:
            raise AzureError("NoAzureCli", "there is no az on PATH")
        try:
            return subprocess.run(
                [found, *words],
                input=given,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired as error:
            raise AzureError("TimedOut", f"az {' '.join(words[:3])} gave no answer in {error.timeout:.0f} s") from error

    return Azure(run)


#: The forms in which `az` says what was wrong: `ERROR: (Code) words`, the service's JSON, and `Code: words` within either.
_FORMS = (re.compile(r'"code":\s*"(\w+)"'), re.compile(r"\((?:Code: )?(\w+)\)"), re.compile(r"\b([A-Z][A-Za-z]{6,}): "))
#: Codes that only say that something within was wrong.
_OUTER = (
    "InvalidTemplateDeployment",
    "DeploymentFailed",
    "ResourceDeploymentFailure",
    "PreflightValidationCheckFailed",
    "ValidationForResourceFailed",
    "BadRequest",
    "Conflict",
    "MultipleErrorsOccurred",
)


def refusal(said: str) -> AzureError:
    """The error in what `az` wrote to its error output, by its innermost code."""
    text = " ".join(said.replace("ERROR:", "").split())
    if "az login" in text or "AADSTS" in text:
        return AzureError("NotLoggedIn", text)
    codes = [code for form in _FORMS for code in form.findall(text)]
    inner = [code for code in codes if code not in _OUTER]
    return AzureError((inner or codes or ["Unknown"])[0], text)
