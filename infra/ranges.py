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
    """The tag's IPv4 ranges as CIDR, adjacent ranges merged, smallest address first; the tag in any case.

    One or two addresses stand by themselves: Azure takes no /31 and no /32. Source: its documentation of network rules, 2026.

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
    known = {name.lower(): name for name in prefixes}
    if tag.lower() not in known:
        near = get_close_matches(tag, prefixes, 3) or sorted(prefixes)[:3]
        raise RangesError(f"{path} has no tag {tag!r}; the nearest tags are {', '.join(near)}")
    networks = [ipaddress.IPv4Network(prefix) for prefix in prefixes[known[tag.lower()]] if ":" not in prefix]
    merged = ipaddress.collapse_addresses(networks)
    return tuple(text for each in merged for text in (map(str, each) if each.prefixlen > 30 else [str(each)]))


def caution(tag: str) -> str:
    """What is not known of a tag's ranges, for the addresses that a function app calls from.

    Source: Microsoft's pages on IP addresses in Azure Functions and on service tags, 2026.
    """
    if tag.lower().startswith("azurecloud"):
        told = "AzureCloud is everything that runs in the region, not this app alone."
    else:
        told = "Microsoft names AzureCloud.REGION for calls from Functions, and AppService for calls to apps."
    return f"{told} That a tag has all addresses of an app on Flex Consumption is unproved; an app outside the ranges cannot reach the model."
