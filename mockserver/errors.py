"""Errors that the user can correct, and what messages need: a near name, a count, and no control characters.

UserError                    shown alone on the command line, without a traceback
├── CassetteError            a cassette that cannot be used            cassettes
├── RecordingError           recording cannot begin                    cassettes
├── StubError                a stub or scenario that cannot be read    simulation
├── FaultError               an unknown fault, or a wrong detail       simulation
├── ScenarioError            no scenario of that name                  simulation
├── ScopeError               whose request it is cannot be told        simulation
├── HoldError                a held stream cannot do what it is told   simulation
├── ConflictError            two cassettes, two answers                simulation
├── ActionError              what a control route does not understand  simulation
├── SharingError             workers would have to share, and do not   simulation
├── LimitError               a limit that cannot be read               simulation
├── LatencyError             a latency profile that cannot be read     answers
├── IgnoreError              something to ignore that cannot be read   matching
├── AcceptError              an answer that cannot be kept             cassette_tools
├── HarError                 a file that is no HAR                      cassette_tools
├── NoRunError               pytest has left nothing here              cassette_tools
├── PartialRunError          the last run was not of all tests         cassette_tools
├── ConfigError, SwaCliConfigError, PersonaError, StatesError, SessionKeyError   swa
├── LoadError, StartError                                              functions
├── SignInError              a sign-in that cannot be read             flask_apps
├── ListenersError           more consoles than may be open            flask_apps
├── PortTakenError, AddressError, TlsError                             wire
├── WorkersError             workers that cannot be started            workers
├── ReportError              a report that cannot be written           run_report
├── OptionsError             options that do not go together           harness
└── SurfaceError             a description that cannot be asked        verdict

Outside the tree: ClientLeftError, for a request that does not come to its end; UpstreamError, an upstream that does not answer or breaks off; StorageError and ExpressionError, for a call of a function whose bindings cannot be read or written; NotStoredError, which becomes a 404; RawError, RouteError, ScheduleError, SignatureError, BoundError and VocabularyError, which
become one of the above or stop the start. JournalError and ExpectationError are for test code: a TypeError and an
AssertionError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

#: Control characters, and those that change the direction of what follows.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class UserError(Exception):
    """The message says what was asked, why not, and what to do."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'prompt'?)` where a known name is near, else an empty string."""
    near = get_close_matches(name, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def printable(text: str) -> str:
    """The text with its control characters, but not its line ends and tabs, as escapes: no name can move a terminal's cursor."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def count_of(count: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
