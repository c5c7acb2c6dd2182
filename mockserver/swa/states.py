"""The states that an app's page can be in: each with what brings it about, and somebody who always meets it."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import yaml

from mockserver.errors import UserError
from mockserver.swa.personas import Persona

#: Where the tests leave the pictures, and what they are of: themes, and widths in CSS pixels.
PICTURES = Path("test-results/states")
THEMES, WIDTHS = ("light", "dark"), (1100, 390)


class StatesError(UserError):
    """A file of states that cannot be used; says what is wrong."""


@dataclass(frozen=True, slots=True)
class State:
    """A card: `state` is the page's own word, `ask` the question that leads there under `scenario` (None: the recordings
    alone), `text` what the page says then, `stop` whether somebody stops the answer."""

    name: str
    state: str
    ask: str
    cause: str
    scenario: str | None = None
    text: str = ""
    stop: bool = False

    @property
    def slug(self) -> str:
        """The name as it stands in an address."""
        return re.sub(r"\W+", "-", self.name.lower())

    @property
    def persona(self) -> Persona:
        """Somebody who always meets this state."""
        key = f"state-{self.slug}"
        return Persona(key, self.name, f"{key}@states.example", ("invited",), scenario=self.scenario)

    @property
    def live(self) -> str:
        """The address that signs in as that somebody and proposes the question."""
        target = quote(f"/?q={quote(self.ask)}", safe="")
        return f"/.auth/login/aad?persona={self.persona.key}&post_login_redirect_uri={target}"

    def picture(self, theme: str, width: int) -> str:
        """The name of its picture's file."""
        return f"{self.slug}-{theme}-{width}.png"


def load_states(path: Path) -> tuple[State, ...]:
    """The states of a YAML file, a list of cards.

    Raises:
        StatesError: it is no such list, or a card has an unknown key or lacks one.
    """
    try:
        cards = yaml.safe_load(path.read_text(encoding="utf-8"))
        return tuple(State(**card) for card in cards)
    except (yaml.YAMLError, ValueError, TypeError) as error:  # ValueError: no UTF-8, or a date that is none
        keys = ", ".join(each.name for each in dataclasses.fields(State))
        raise StatesError(f"{path}: {' '.join(str(error).split())}; a list of cards is needed, with {keys}") from error
