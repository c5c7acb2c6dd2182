"""IPv4 ranges of an Azure service in a region, from the file that Microsoft publishes each week.

Source: https://www.microsoft.com/download/details.aspx?id=56519, ServiceTags_Public_*.json.
"""

from __future__ import annotations

import ipaddress
import json
from difflib import get_close_matches
from pathlib import Path

_SOURCE = "https://www.microsoft.com/download/details.aspx?id=56519"
#: Per resource. Source: Azure OpenAI's documentation of network rules, 2026.
MAX_RANGES = 200


class RangesError(ValueError):
    """The file is not one of service tags, or has no such tag."""


def ranges_of(path: Path, tag: str) -> tuple[str, ...]:
    """The tag's IPv4 ranges as CIDR, adjacent ranges merged, smallest address first.

    Raises:
        RangesError: the file cannot be read, or has no such tag.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))["values"]
        prefixes = {entry["name"]: entry["properties"]["addressPrefixes"] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RangesError(
            f"{path} is not a valid file of service tags ({type(error).__name__}); download it by hand: {_SOURCE}"
        ) from error
    if tag not in prefixes:
        near = get_close_matches(tag, prefixes, 3) or sorted(prefixes)[:3]
        raise RangesError(f"{path} has no tag {tag!r}; the nearest tags are {', '.join(near)}")
    networks = [ipaddress.IPv4Network(prefix) for prefix in prefixes[tag] if ":" not in prefix]
    return tuple(map(str, ipaddress.collapse_addresses(networks)))
