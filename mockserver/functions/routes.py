"""Route templates of Azure Functions, which are those of ASP.NET Core: what they match, with which parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from urllib.parse import unquote_to_bytes


class RouteError(ValueError):
    """A route template that the Functions host refuses."""


Check = Callable[[str], bool]

_ENCODED_SLASH = re.compile("(%2f)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a route, with the checks that its value has to pass. `default` None has none."""

    name: str
    checks: tuple[Check, ...]
    default: str | None
    optional: bool
    rest: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A route; upper and lower case are the same."""

    pattern: re.Pattern[str]
    #: One for each group of the pattern; of two groups for one parameter, one alone takes part in a match.
    parameters: tuple[Parameter, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a decoded path `/…`; None where the route does not fit."""
        if (found := self.pattern.fullmatch(path)) is None:
            return None
        values: dict[str, str] = {}
        for parameter, given in zip(self.parameters, found.groups(), strict=True):
            value = given or values.get(parameter.name, parameter.default)
            if value is None:
                continue
            if not all(check(value) for check in parameter.checks):
                return None
            values[parameter.name] = value
        return values


def _decoded(part: str) -> str:
    """The text; bytes that are not UTF-8 stay encoded."""
    text = unquote_to_bytes(part).decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)


def path_of(raw_path: str) -> str:
    """The path that routes match: decoded, but for `%2F`, and without segments `.` and `..`.

    Source: Kestrel's PathDecoder, UrlDecoder and PathNormalizer; aspnetcore#30655, KestrelHttpServer#2946.
    """
    parts = _ENCODED_SLASH.split(raw_path)
    path = "".join(part if part.lower() == "%2f" else _decoded(part) for part in parts)
    if "/." not in path:
        return path
    kept = list[str]()
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    ends_in_folder = segments[-1] in (".", "..")
    return "/" + "/".join([*kept, ""] if ends_in_folder else kept)


def compile_route(template: str) -> Route:
    """The route of a template, as in `items/{id:int:min(1)}`, `files/{name}.{ext?}`, `{page=1}` and `{*rest}`.

    Source: ASP.NET Core 8, Microsoft.AspNetCore.Routing, RoutePatternParser and the constraints of RouteOptions.

    Raises:
        RouteError: anything that the host refuses.
    """
    patterns, parameters = list[str](), list[Parameter]()
    for segment in _segments(template):
        if parameters and parameters[-1].rest:
            raise _refused(template, f"nothing may follow {{*{parameters[-1].name}}}")
        patterns.append(_pattern_of(segment, template, parameters))
    # Only at the end may segments be missing: of others, none is skipped.
    needed = max((number for number, each in enumerate(patterns) if not each.endswith(")?")), default=-1)
    pattern = "".join(
        each.removeprefix("(?:").removesuffix(")?") if number < needed and each.endswith(")?") else each
        for number, each in enumerate(patterns)
    )
    names = [parameter.name.lower() for parameter in dict.fromkeys(parameters)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise _refused(template, f"the parameter {twice!r} stands there twice")
    return Route(re.compile(f"{pattern}/?", re.IGNORECASE | re.DOTALL), tuple(parameters))


def _pattern_of(segment: list[str | Parameter], template: str, parameters: list[Parameter]) -> str:
    """The pattern of one segment, with its slash; its parameters are added to those before."""
    if any(isinstance(one, Parameter) and isinstance(other, Parameter) for one, other in pairwise(segment)):
        raise _refused(template, "two parameters need something between them")
    own = [part for part in segment if isinstance(part, Parameter)]
    parameters += own
    if len(segment) == 1 and own:
        if own[0].rest:
            return "(?:/(.*))?"
        return "(?:/([^/]+))?" if own[0].optional or own[0].default is not None else "/([^/]+)"
    if rest := next((part for part in own if part.rest), None):
        raise _refused(template, f"{{*{rest.name}}} must be a segment of its own")
    pattern = "".join("([^/]+)" if isinstance(part, Parameter) else re.escape(part) for part in segment)
    if not any(part.optional for part in own):
        return f"/{pattern}"
    if any(part.optional for part in own[:-1]) or own[-1] is not segment[-1] or segment[-2] != ".":
        raise _refused(template, "an optional parameter is a segment of its own, or comes last after a full stop")
    parameters += own[:-1]
    without = pattern.removesuffix(r"\.([^/]+)")
    return rf"/(?:{pattern}|{without}(?<!\.))"


def _segments(template: str) -> Iterator[list[str | Parameter]]:
    """The segments of a template, each in its parts: text, and parameters."""
    if template.startswith("~") or "//" in template:
        raise _refused(template, "it has an empty segment, or begins with ~")
    segment, text, position, template_end = list[str | Parameter](), "", 0, len(template := template.strip("/"))
    while position < template_end:
        letter, pair = template[position], template[position : position + 2]
        if pair in ("{{", "}}"):
            text, position = text + letter, position + 2
        elif letter == "{":
            inner, position = _inner(template, position + 1)
            segment += [text] if text else []
            segment, text = [*segment, _parameter(inner, template)], ""
        elif letter in "}?":
            raise _refused(template, f"{letter} has no meaning there")
        elif letter == "/":
            yield [*segment, *([text] if text else [])]
            segment, text, position = [], "", position + 1
        else:
            text, position = text + letter, position + 1
    if segment or text:
        yield [*segment, *([text] if text else [])]


def _inner(template: str, start: int) -> tuple[str, int]:
    """What stands between a brace that opens before `start` and the one that closes it, and the position after that."""
    position, inner = start, ""
    while position < len(template):
        pair = template[position : position + 2]
        if pair in ("{{", "}}"):
            inner, position = inner + pair[0], position + 2
        elif template[position] == "}":
            return inner, position + 1
        elif template[position] == "{":
            break
        else:
            inner, position = inner + template[position], position + 1
    raise _refused(template, "a brace is not closed; braces within a parameter are doubled")


_PARAMETER = re.compile(
    r"(?P<star>\*{0,2})(?P<name>[^:=?*/{}]+)(?P<constraints>(?::[^:=?(]+(?:\(.*?\)(?=[:=?]|$))?)*)(?:=(?P<default>.*))?",
    re.DOTALL,
)
_CONSTRAINT = re.compile(r":([^:=?(]+)(?:\((.*?)\)(?=[:=?]|$))?", re.DOTALL)


def _parameter(inner: str, template: str) -> Parameter:
    optional = inner.endswith("?")
    parsed = _PARAMETER.fullmatch(inner[:-1] if optional else inner)
    if parsed is None:
        raise _refused(template, f"{{{inner}}} is not a parameter")
    if parsed["default"] is not None and optional:
        raise _refused(template, f"{{{inner}}} has a default, so it cannot be optional too")
    if parsed["star"] and optional:
        raise _refused(template, f"{{{inner}}} cannot be optional; it may be empty anyway")
    checks = tuple(_check(name, given, template) for name, given in _CONSTRAINT.findall(parsed["constraints"]))
    return Parameter(parsed["name"], checks, parsed["default"], optional, bool(parsed["star"]))


# --- constraints -----------------------------------------------------------------------------------------------------

_GUID = re.compile(
    r"\s*(?:[0-9a-f]{32}|(?:(?P<brace>\{)|(?P<round>\())?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?(brace)\})(?(round)\)))\s*",
    re.IGNORECASE,
)
_DECIMAL = r"\s*[-+]?(?:\d[\d,]*\.?\d*|\.\d+)"
_DATES = ("%Y-%m-%d", "%Y-%m", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%m-%d-%Y")
_TIME = re.compile(
    r"(?:(?<=\d)[T ]|^)(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,7})?)?\s*(?:Z|[-+]\d\d:\d\d|[AP]M)?$",
    re.IGNORECASE,
)


def _is_whole(bits: int) -> Check:
    """Source: Int32.TryParse and Int64.TryParse with NumberStyles.Integer."""
    return lambda value: (
        bool(re.fullmatch(r"\s*[-+]?[0-9]{1,40}\s*", value)) and -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1)
    )


def _is_date(value: str) -> bool:
    """Whether .NET reads a date or a time in its invariant culture; its common forms, as it knows very many."""
    value = value.strip()
    date = _TIME.sub("", value).strip() if value else ""
    if not date:
        return bool(value)
    for form in _DATES:
        try:
            datetime.strptime(date, form)
        except ValueError:
            continue
        return True
    return False


def _is_file(value: str) -> bool:
    return re.search(r"\.[^./]", value.rpartition("/")[2]) is not None


#: Those without arguments. Source: ASP.NET Core 8, the constraints of these names.
_PLAIN: Mapping[str, Check] = {
    "int": _is_whole(32),
    "long": _is_whole(64),
    "bool": lambda value: value.strip().lower() in ("true", "false"),
    "datetime": _is_date,
    "decimal": lambda value: bool(re.fullmatch(rf"{_DECIMAL}[-+]?\s*", value)),
    "double": lambda value: bool(
        re.fullmatch(rf"{_DECIMAL}(?:e[-+]?\d+)?\s*|nan|[-+]?infinity|[-+]?∞", value, re.IGNORECASE)
    ),
    "guid": lambda value: _GUID.fullmatch(value) is not None,
    "alpha": lambda value: re.fullmatch(r"[a-z]*", value, re.IGNORECASE) is not None,
    "required": bool,
    "file": _is_file,
    "nonfile": lambda value: not _is_file(value),
}
_SAME = {"float": "double"}


def _check(name: str, given: str, template: str) -> Check:
    name = _SAME.get(name.lower(), name.lower())
    if name in _PLAIN and not given:
        return _PLAIN[name]
    if name == "regex" and given:
        try:
            expression = re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", given), re.IGNORECASE)
        except re.error as error:
            raise _refused(template, f"the expression {given!r} cannot be read: {error}") from error
        return lambda value: expression.search(value) is not None
    numbers = [int(part) for part in given.split(",") if re.fullmatch(r"\s*-?[0-9]{1,18}\s*", part)]
    checks: dict[tuple[str, int], Check] = {
        ("min", 1): lambda value: _PLAIN["long"](value) and int(value) >= numbers[0],
        ("max", 1): lambda value: _PLAIN["long"](value) and int(value) <= numbers[0],
        ("range", 2): lambda value: _PLAIN["long"](value) and numbers[0] <= int(value) <= numbers[1],
        ("length", 1): lambda value: len(value) == numbers[0],
        ("length", 2): lambda value: numbers[0] <= len(value) <= numbers[1],
        ("minlength", 1): lambda value: len(value) >= numbers[0],
        ("maxlength", 1): lambda value: len(value) <= numbers[0],
    }
    if (found := checks.get((name, len(numbers)))) is None or len(numbers) != given.count(",") + 1:
        known = sorted(
            {*_PLAIN, *_SAME, "regex(…)", *(f"{each}({'1,2' if count == 2 else '1'})" for each, count in checks)}
        )
        raise _refused(
            template, f"there is no constraint {name}{f'({given})' if given else ''}; known: {', '.join(known)}"
        )
    if numbers != sorted(numbers) or (name.endswith("length") and min(numbers) < 0):
        raise _refused(template, f"{name}({given}) asks for what cannot be")
    return found


def _refused(template: str, why: str) -> RouteError:
    return RouteError(f"route {template!r}: {why}")
