"""Where the contract's data is: in `contracts/` of the repository, or in a copy inside the installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).with_name("data")
_CHECKOUT = Path(__file__).resolve().parents[2] / "contracts"


def data_folder() -> Path:
    """The folder of `schemas/`, `overlay.yaml` and `models.toml`."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
