"""The architecture, read from the code: levels of rooms, what breaks them, and the picture in ARCHITECTURE.md.

python tools/architecture.py          write docs/architecture.svg
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"

#: Rooms of mockserver from the bottom up. A room imports only from levels below its own. The ground's rooms are files.
GROUND = ("exchange", "sse", "clock", "errors", "crash", "documents", "tokens", "remembered")
LEVELS = (
    ("contract", "ground", "adoption"),
    ("redaction", "wire", "swa"),
    ("matching",),
    ("answers", "journal", "cassettes", "functions"),
    ("stored", "telemetry"),
    ("simulation",),
    ("fronts", "flask_apps", "cassette_tools", "workers", "run_report"),
    ("harness",),
    ("verdict",),
    ("cli", "pytest_plugin"),
)
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
#: What each level is, for the picture.
CAPTIONS = (
    "the contract, shapes everything is made of, somebody's project",
    "no secret leaves · bytes on sockets · Static Web Apps' rules",
    "which request is which",
    "what can answer, what happened, what was recorded, the API's host",
    "what clients made and ask for again, what a collector is told",
    "from request to answer",
    "servers, Flask applications, work on cassettes, several processes, a run's report",
    "everything wired and running",
    "what an app does in every fault",
    "what people start",
)
#: The only rooms that may import these libraries.
RESERVED = {
    "opentelemetry": {"telemetry", "functions"},
    "flask": {"flask_apps", "harness"},
    "uvicorn": {"wire", "functions"},  # functions: only to silence the one in Microsoft's extension
    "a2wsgi": {"fronts"},
    "httpx2": {"wire", "flask_apps", "pytest_plugin", "verdict"},
    "click": {"cli"},
    "redis": {"workers"},
    "msgspec": {
        "ground",
        "redaction",
        "simulation",
        "swa",
        "cassettes",
        "flask_apps",
        "verdict",
        "cli",
    },  # where documents are described
    "pytest": {"pytest_plugin", "run_report"},
}
#: What every top-level room may import of the others. The API is deployed alone; the harness never imports it.
TOP_LEVEL: dict[str, set[str]] = {"api": set(), "infra": set(), "mockserver": set(), "tools": {"mockserver"}}
OWN_NAMES = {"api": {"chat_api", "function_app"}, "infra": {"infra"}, "mockserver": {"mockserver"}, "tools": set()}


@functools.cache
def imported(source: str) -> tuple[str, ...]:
    """The dotted names a module imports, wherever the import stands."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def modules(room: str) -> Iterator[tuple[str, Path]]:
    """The dotted names of a top-level room's modules, without the room's own, and their files."""
    for path in sorted((ROOT / room).rglob("*.py")):
        parts = path.relative_to(ROOT / room).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def room_of(module: str) -> str:
    """The room a module of mockserver lies in; empty for `__init__` and `__main__`, which are the doors of all."""
    first = module.partition(".")[0]
    return "ground" if first in GROUND else "" if first in ("", "__main__", "__version__") else first


def breaches(top: str, module: str, source: str) -> list[str]:
    """What a module imports and may not; `top` is its top-level room, `module` its dotted name inside."""
    found = []
    for name in imported(source):
        first, _, rest = name.partition(".")
        owner = next((room for room, names in OWN_NAMES.items() if first in names), "tests" if first == "tests" else "")
        if owner and owner != top and owner not in TOP_LEVEL[top]:
            found.append(f"{top}/{module} imports {name}: {top} stands alone")
        if top == "mockserver" and (room := room_of(module)):
            other = room_of(rest) if first == "mockserver" else ""
            if other and other != room and LEVEL_OF.get(other, 99) >= LEVEL_OF.get(room, 99):
                found.append(f"mockserver/{module} imports {name}, which is not on a lower level")
            if room not in RESERVED.get(first, {room}):
                found.append(f"mockserver/{module} imports {name}, which is for {', '.join(sorted(RESERVED[first]))}")
    return sorted(set(found))


def arrows() -> dict[str, set[str]]:
    """Which rooms of mockserver each room imports."""
    uses: dict[str, set[str]] = {room: set() for rooms in LEVELS for room in rooms}
    for module, path in modules("mockserver"):
        if room := room_of(module):
            names = (name.partition(".")[2] for name in imported(path.read_text()) if name.startswith("mockserver."))
            uses[room] |= {other for name in names if (other := room_of(name)) in uses and other != room}
    return uses


def circles() -> list[str]:
    """Modules of mockserver that import each other in a circle, whatever their room."""
    names = {f"mockserver.{module}": path for module, path in modules("mockserver") if module}
    uses = {name: {other for other in imported(path.read_text()) if other in names} for name, path in names.items()}
    while leaves := {name for name, others in uses.items() if not others & uses.keys() - {name}}:
        uses = {name: others for name, others in uses.items() if name not in leaves}
    return sorted(uses)


# --- the picture -----------------------------------------------------------------------------------------------------

_WIDTH, _ROW, _BOX = 900, 92, (150, 40)


def picture() -> str:
    """The rooms by level as SVG, with an arrow for each import between rooms.

    Arrows to the bottom level are left out: every room uses it.
    """
    places, boxes = {}, []
    for level, rooms in enumerate(LEVELS):
        y = 40 + (len(LEVELS) - 1 - level) * _ROW
        boxes.append(f'<text class="caption" x="16" y="{y - 8}">{level} · {CAPTIONS[level]}</text>')
        for index, room in enumerate(rooms):
            x = 16 + (_WIDTH - 32) * (2 * index + 1) / (2 * len(rooms)) - _BOX[0] / 2
            places[room] = (x + _BOX[0] / 2, y)
            boxes.append(f'<rect x="{x:g}" y="{y}" width="{_BOX[0]}" height="{_BOX[1]}" rx="6"/>')
            boxes.append(f'<text class="room" x="{x + _BOX[0] / 2:g}" y="{y + 25}">{room}</text>')
    lines = []
    for room, others in sorted(arrows().items()):
        for other in sorted(others - set(LEVELS[0])):
            (x1, y1), (x2, y2) = places[room], places[other]
            lines.append(f'<line x1="{x1:g}" y1="{y1 + _BOX[1]}" x2="{x2:g}" y2="{y2 - 2}" marker-end="url(#tip)"/>')
    height = 40 + len(LEVELS) * _ROW - 20
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif">',
        "<style>svg{background:#fff}rect{fill:#eef4fb;stroke:#3b6ea5}line{stroke:#9aa5b1}"
        ".room{font-size:15px;text-anchor:middle;fill:#12263a}"
        ".caption{font-size:12px;fill:#5b6b7b;paint-order:stroke;stroke:#fff;stroke-width:5px}</style>",
        '<defs><marker id="tip" markerWidth="7" markerHeight="7" refX="6" refY="3.5" orient="auto">'
        '<path d="M0 0 7 3.5 0 7z" fill="#9aa5b1"/></marker></defs>',
        *lines, *boxes, "</svg>", "",
    ])  # fmt: skip


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {sum(map(len, arrows().values()))} arrows between rooms")
