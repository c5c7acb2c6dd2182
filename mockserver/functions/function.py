"""One function of an app: its trigger and its other bindings, as the worker describes them to the host."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from mockserver.functions.routes import Route, RouteError, compile_route
from mockserver.functions.schedule import ScheduleError, next_run_s
from mockserver.functions.settings import LoadError

Binding = Mapping[str, Any]

#: What Durable Functions needs, which is a host of its own.
_DURABLE = frozenset({"durableclient", "orchestrationtrigger", "activitytrigger", "entitytrigger"})
#: The field of a trigger that says what sets it off.
_SOURCES = (
    "schedule",
    "queueName",
    "path",
    "tableName",
    "eventHubName",
    "topicName",
    "containerName",
    "topic",
    "hubName",
)
#: Of the services, what is read and written: mockserver/functions/storage.py.
_STORAGE_INPUTS, _STORAGE_OUTPUTS = frozenset({"blob", "table"}), frozenset({"blob", "queue", "table"})


@dataclass(frozen=True, slots=True)
class Function:
    """One function. `route` and `template` are those of an HTTP function, None and empty for others; `methods` None means all
    of them; `level` is who may call it: anonymous, function or admin."""

    name: str
    bindings: tuple[Binding, ...]
    trigger: Binding
    route: Route | None = None
    template: str = ""
    methods: frozenset[str] | None = None
    level: str = "anonymous"

    @property
    def kind(self) -> str:
        """What sets it off: `http`, `timer`, `queue`, `blob`, …"""
        return str(self.trigger["type"]).removesuffix("Trigger")

    @property
    def parameter(self) -> str:
        """The parameter that gets the request, the message or the timer."""
        return str(self.trigger["name"])

    @property
    def source(self) -> str:
        """The route, the schedule, or what is listened to."""
        return self.template or source_of(self.trigger)

    @property
    def answer_name(self) -> str:
        """The output that is its HTTP answer; `$return` is what it returns."""
        return next((str(each["name"]) for each in self.bindings if each["type"] == "http"), "$return")

    @property
    def inputs(self) -> tuple[Binding, ...]:
        """What it reads besides its trigger."""
        return tuple(each for each in self.bindings if _direction(each) == "in" and each is not self.trigger)

    @property
    def outputs(self) -> tuple[Binding, ...]:
        """What it writes besides an HTTP answer."""
        return tuple(each for each in self.bindings if _direction(each) == "out" and each["type"] != "http")

    @property
    def refusal(self) -> str:
        """Why it cannot be called here; empty if it can."""
        if durable := next((each for each in self.bindings if str(each["type"]).lower() in _DURABLE), None):
            return f"it needs {durable['type']}, and Durable Functions is not imitated"
        if deferred := next((each for each in self.bindings if is_deferred(each)), None):
            return (
                f"{deferred['name']} is a client of Azure's SDK, and such bindings are not imitated: take bytes or str"
            )
        if other := next((each for each in self.inputs if kind_of(each) not in _STORAGE_INPUTS), None):
            return f"it reads {words_of(other)}, and no such service is imitated"
        return ""

    def unsent(self, names: Collection[str]) -> str:
        """Why what was written to the outputs of these names is not sent; empty where there is a service for each."""
        others = (each for each in self.outputs if kind_of(each) not in _STORAGE_OUTPUTS)
        written = next((each for each in others if each["name"] in names), None)
        return f"it has written to {words_of(written)}, and no such service is imitated" if written else ""


def function_of(name: str, bindings: Sequence[Binding], prefix: str, place: str) -> Function | None:
    """The function of a name with these bindings; None for one without a trigger. `place` is for the error.

    Raises:
        LoadError: a route or a schedule that the host refuses.
    """
    trigger = next((each for each in bindings if str(each["type"]).lower().endswith("trigger")), None)
    if trigger is None:
        return None
    if trigger["type"] == "timerTrigger":
        try:
            next_run_s(str(trigger.get("schedule")), 0)
        except ScheduleError as error:
            raise LoadError(f"{place}: function {name!r}: {error}") from error
    if trigger["type"] != "httpTrigger":
        return Function(name, tuple(bindings), trigger)
    own = str(trigger.get("route") or name).strip("/")
    if own.lower().startswith(("admin", "runtime")):  # source: ScriptHost.ValidateHttpFunction, whatever the prefix
        raise LoadError(
            f"{place}: function {name!r}: the route {own!r} begins with admin or runtime, which are the host's own"
        )
    template = "/".join(filter(None, (prefix, own)))
    try:
        route = compile_route(template)
    except RouteError as error:
        raise LoadError(f"{place}: function {name!r}: {error}") from error
    methods = frozenset(str(method).upper() for method in trigger.get("methods") or ()) or None
    level = str(trigger.get("authLevel") or "function").lower()
    return Function(name, tuple(bindings), trigger, route, template, methods, level)


def in_order(functions: Sequence[Function]) -> tuple[Function, ...]:
    """Functions in the order in which the host tries their routes.

    Source: FunctionMetadataManager of the host: OrderBy(f => f.Name, StringComparer.OrdinalIgnoreCase), which compares
    upper-case letters; the first route that matches is taken, whether it is literal or not (azure-functions-host#9876).

    Raises:
        LoadError: two have one route.
    """
    ordered = tuple(sorted(functions, key=lambda function: function.name.upper()))
    for one, other in combinations(ordered, 2):
        if _conflict(one, other):
            raise LoadError(
                f"functions {one.name!r} and {other.name!r} have the route {one.template!r} with the same methods"
            )
    return ordered


def _conflict(one: Function, other: Function) -> bool:
    """Source: ScriptHost.HttpRoutesConflict; Azure loads only the first."""
    same = one.route is not None and one.template.lower() == other.template.lower()
    return same and (not one.methods or not other.methods or bool(one.methods & other.methods))


def _direction(binding: Binding) -> str:
    return {"0": "in", "1": "out"}.get(text := str(binding.get("direction", "in")).lower(), text)


def kind_of(binding: Binding) -> str:
    """The kind of a binding, in lower case: `blob`, `queue`, `table`, …"""
    return str(binding["type"]).lower()


def source_of(binding: Binding) -> str:
    """What a binding is of: a schedule, a queue, a path; empty where nothing says so."""
    return next((str(binding[name]) for name in _SOURCES if binding.get(name)), "")


def words_of(binding: Binding) -> str:
    """A binding in words: `the blob 'in/x' (parameter)`."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(binding["type"])).lower()
    source = source_of(binding)
    return f"the {kind} {source!r} ({binding['name']})" if source else f"a {kind} ({binding['name']})"


def is_deferred(binding: Binding) -> bool:
    """Whether a function gets a client for a binding. Source: azurefunctions-extensions-base, get_raw_bindings."""
    properties = binding.get("properties")
    return isinstance(properties, Mapping) and bool(properties.get("SupportsDeferredBinding"))
