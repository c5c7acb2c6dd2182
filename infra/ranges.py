"""IPv4 ranges of an Azure service in a region, from the file that Microsoft publishes each week.

Source: https://www.microsoft.com/download/details.aspx?id=56519, ServiceTags_Public_*.json; fetched by hand, never by us.
"""

from __future__ import annotations

import ipaddress
import json
from difflib import get_close_matches
from pathlib import Path

#: Source: Azure OpenAI's documentation of network rules, 2026: at most 200 ranges a resource.
MOST_RULES = 200


class RangesError(ValueError):
    """A file that is not Microsoft's, or a tag that it has not; says which are near."""


def ranges_of(path: Path, tag: str) -> tuple[str, ...]:
    """The tag's IPv4 ranges as CIDR, neighbours joined, smallest address first.

    Raises:
        RangesError: the file cannot be read, or has no such tag.
    """
    try:
        listed = {
            each["name"]: each["properties"]["addressPrefixes"]
            for each in json.loads(path.read_text("utf-8"))["values"]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RangesError(f"{path} is no file of service tags ({type(error).__name__}): {__doc__}") from error
    if tag not in listed:
        near = get_close_matches(tag, listed, 3) or sorted(listed)[:3]
        raise RangesError(f"{path} has no {tag}; the nearest are {', '.join(near)}")
    networks = [ipaddress.IPv4Network(each) for each in listed[tag] if ":" not in each]
    return tuple(map(str, ipaddress.collapse_addresses(networks)))
