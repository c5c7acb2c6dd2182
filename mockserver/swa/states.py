"""The states that an app's page can be in: what causes each one, and a persona who always gets it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta

from mockserver.documents import Strict, convert, parse_yaml
from mockserver.errors import UserError
from mockserver.swa.personas import Persona

#: Where the tests save the screenshots, and their variants: themes, and widths in CSS pixels.
PICTURES = Path("test-results/states")
THEMES, WIDTHS = ("light", "dark"), (1100, 390)


BackendName = Literal["openai", "azure"]
#: How long a state that was opened live lasts, and its session: that its page was closed cannot be seen.
LIVE_S = 3600.0


class StatesError(UserError):
    """A file of states that cannot be used: which card, and what is wrong."""


@dataclass(frozen=True, slots=True)
class State:
    """A card: `state` is the page's own word, `ask` the question that leads there under `scenario` (None: the recordings
    alone), `image` whether one goes with it, `text` what the page says then, `stop` whether the user stops the answer, `backend`
    which one leads there (None: either)."""

    name: str
    state: str
    ask: str
    cause: str
    scenario: str | None = None
    text: str = ""
    stop: bool = False
    backend: BackendName | None = None
    image: bool = False

    @property
    def slug(self) -> str:
        """The name as it stands in an address."""
        return re.sub(r"\W+", "-", self.name.lower())

    @property
    def host(self) -> str:
        """A name of this machine at which the state has cookies and storage of its own.

        Source: RFC 6761, 6.3: names under localhost are loopback; browsers know them without asking a server for names.
        """
        return f"{re.sub('[^a-z0-9]+', '-', self.name.lower()).strip('-')[:60] or 'state'}.localhost"

    @property
    def persona(self) -> Persona:
        """The persona as whom the state is opened."""
        key = f"state-{self.slug}"
        return Persona(key, self.name, f"{key}@states.example", ("invited",), LIVE_S)

    @property
    def live(self) -> str:
        """The address that signs in as that persona and fills in the question."""
        target = quote(f"/?q={quote(self.ask)}", safe="")
        return f"/.auth/login/aad?persona={self.persona.key}&post_login_redirect_uri={target}"

    def picture(self, theme: str, width: int) -> str:
        """The file name of its screenshot."""
        return f"{self.slug}-{theme}-{width}.png"


# --- as people write them --------------------------------------------------------------------------------------------


class StateCard(Strict, frozen=True):
    """One state of the page."""

    name: Annotated[str, Meta(description="The title of the card.")]
    state: Annotated[str, Meta(description="The state as the page calls it: the value of its data-state.")]
    ask: Annotated[str, Meta(description="The question that leads to the state.")]
    cause: Annotated[str, Meta(description="What causes the state.")]
    scenario: Annotated[
        str | None, Meta(description="The scenario under which the question is asked. Default: the recordings alone.")
    ] = None
    text: Annotated[str, Meta(description="What the page says in this state.")] = ""
    stop: Annotated[bool, Meta(description="Whether the user stops the answer.")] = False
    backend: Annotated[
        BackendName | None, Meta(description="The backend that leads to the state. Default: each of them.")
    ] = None
    image: Annotated[bool, Meta(description="Whether the user attaches an image to the question.")] = False


#: A whole states file: the cards in the order of the page.
StatesFile = list[StateCard]


def load_states(path: Path) -> tuple[State, ...]:
    """The states of a YAML file, a list of cards.

    Raises:
        StatesError: not such a list, or a card has an unknown key, a wrong value, or lacks a required key.
    """
    cards = convert(parse_yaml(path.read_bytes(), str(path), StatesError), StatesFile, str(path), StatesError)
    return tuple(State(**msgspec.structs.asdict(card)) for card in cards)
