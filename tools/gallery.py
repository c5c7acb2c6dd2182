"""Writes an HTML file with every state of the page, in both themes and widths, for reviews; and the README's picture."""

from __future__ import annotations

import base64
import sys
from html import escape
from pathlib import Path

from mockserver.swa.states import PICTURES, THEMES, WIDTHS, State, load_states

ROOT = Path(__file__).resolve().parent.parent
GALLERY = ROOT / "test-results" / "gallery.html"
PICTURE, SHOWN = ROOT / "docs" / "chat.png", "complete-light-1100.png"
_STYLE = """
body { margin: 2rem; font: 16px/1.5 system-ui, sans-serif; color: #242424; background: #f5f5f5; }
section { margin: 0 0 2rem; padding: 1rem 1.5rem; background: #fff; border-radius: 8px; }
div { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
img { height: 20rem; border: 1px solid #d6d6d6; }
"""


def gallery(states: tuple[State, ...], pictures: Path) -> str:
    """The HTML page, with its pictures embedded.

    Raises:
        FileNotFoundError: a state has no picture.
    """
    sections = []
    for state in states:
        images = "".join(
            f'<img alt="{escape(state.name)}, {theme}, {width} pixels wide" src="data:image/png;base64,{_data(pictures / state.picture(theme, width))}">'
            for theme in THEMES
            for width in WIDTHS
        )
        text = f" The page says: “{escape(state.text)}”" if state.text else ""
        sections.append(
            f"<section><h2>{escape(state.name)} ({escape(state.state)})</h2><p>{escape(state.cause)}{text}</p><div>{images}</div></section>"
        )
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>States of the page</title><style>{_STYLE}</style>'
    )
    return f"{head}<h1>States of the page</h1>{''.join(sections)}</html>"


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def main() -> None:
    """Write the file and print its path."""
    try:
        GALLERY.write_text(gallery(load_states(ROOT / "webapp" / "states.yaml"), ROOT / PICTURES), encoding="utf-8")
    except FileNotFoundError as error:
        sys.exit(f"gallery: {error.filename} does not exist; run make gallery, which takes the pictures")
    PICTURE.write_bytes((ROOT / PICTURES / SHOWN).read_bytes())
    print(f"{GALLERY.relative_to(ROOT)}  {GALLERY.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
