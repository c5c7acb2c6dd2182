"""Runs the `az` command: its output as JSON, its failures as errors with Azure's own code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

#: For queries; deployments have no time limit of ours.
TIMEOUT_S = 120


class AzureError(Exception):
    """`az` failed. `code` is Azure's own, or `NoAzureCli`, `NotLoggedIn`, `TimedOut` or `Unknown`; `message` is its text, in one line."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Azure:
    """Runs `az`. `run` takes its arguments, the text for its standard input, and a time limit in seconds."""

    run: Callable[[Sequence[str], str, float | None], subprocess.CompletedProcess[str]]

    def json(self, *arguments: str, stdin: str = "", timeout_s: float | None = TIMEOUT_S) -> Any:
        """The command's output, or None. No other process can see `stdin`.

        Raises:
            AzureError: the command failed or took too long, or `az` is not installed.
        """
        process = self.run([*arguments, "--output", "json", "--only-show-errors"], stdin, timeout_s)
        if process.returncode != 0:
            raise azure_error(process.stderr)
        try:
            return json.loads(process.stdout) if process.stdout.strip() else None
        except ValueError as error:
            raise AzureError(
                "Unknown", f"the output of az {' '.join(arguments[:3])} is not valid JSON: {process.stdout[:80]!r}"
            ) from error


def command_line() -> Azure:
    """The `az` of this machine."""

    def run(arguments: Sequence[str], stdin: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
        executable = shutil.which("az")  # on Windows it is az.cmd, which only starts by its full path
        if executable is None:
            raise AzureError("NoAzureCli", "az is not on PATH")
        try:
            return subprocess.run(
                [executable, *arguments],
                input=stdin,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired as error:
            raise AzureError(
                "TimedOut", f"az {' '.join(arguments[:3])} did not answer within {error.timeout:.0f} s"
            ) from error

    return Azure(run)


#: The ways `az` writes an error: `ERROR: (Code) text`, the service's JSON, and `Code: text` inside either.
_FORMS = (
    re.compile(r'"code":\s*"(\w+)"', re.IGNORECASE),
    re.compile(r"\((?:Code: )?(\w+)\)"),
    re.compile(r"\b([A-Z][A-Za-z]{6,}): "),
)
#: One error without inner ones, which `az` writes twice.
_TWICE = re.compile(r"\((\w+)\) (.*) Code: \1 Message: \2")
#: Where `az` itself fails with what Azure refused. Source: azure-cli 2.91, where a deployment is refused at once with a 409.
_CRASH = re.compile(r"azure\.core\.exceptions\.\w+: \((\w+)\) (.*?) Code: \1 Message: ")
#: Codes that only say that an inner error caused the failure.
OUTER = (
    "InvalidTemplateDeployment",
    "DeploymentFailed",
    "ResourceDeploymentFailure",
    "PreflightValidationCheckFailed",
    "ValidationForResourceFailed",
    "BadRequest",
    "Conflict",
    "MultipleErrorsOccurred",
)


def azure_error(stderr: str) -> AzureError:
    """The error that `az` wrote, with its innermost code."""
    text = " ".join(stderr.replace("ERROR:", "").split())
    if "az login" in text or "AADSTS" in text:
        return AzureError("NotLoggedIn", text)
    if said_twice := _TWICE.fullmatch(text) or _CRASH.search(text):
        return AzureError(*said_twice.groups())
    if "invalid status 'forbidden'" in text.lower():  # the answer to HEAD has no body, and so no code
        return AzureError("AuthorizationFailed", text)
    codes = [code for form in _FORMS for code in form.findall(text)]
    inner = [code for code in codes if code not in OUTER]
    return AzureError((inner or codes or ["Unknown"])[0], text)
