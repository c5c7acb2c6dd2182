"""The IPv4 ranges of a service tag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.__main__ import main
from infra.ranges import RangesError, ranges_of


def published(folder: Path, **tags: list[str]) -> Path:
    values = [
        {"name": name.replace("_", "."), "properties": {"addressPrefixes": prefixes}} for name, prefixes in tags.items()
    ]
    path = folder / "ServiceTags_Public_20261123.json"
    path.write_text(json.dumps({"changeNumber": 1, "cloud": "Public", "values": values}))
    return path


def test_adjacent_ranges_are_merged_and_ipv6_is_left_out(tmp_path: Path) -> None:
    path = published(
        tmp_path, AppService_WestEurope=["203.0.113.128/25", "203.0.113.0/25", "198.51.100.7/32", "2001:db8::/32"]
    )
    assert ranges_of(path, "AppService.WestEurope") == ("198.51.100.7/32", "203.0.113.0/24")


def test_the_error_for_an_unknown_tag_names_the_nearest(tmp_path: Path) -> None:
    path = published(tmp_path, AppService_WestEurope=[], Storage=[])
    with pytest.raises(
        RangesError, match=r"has no tag 'AppService.WestEurop'; the nearest tags are AppService.WestEurope"
    ):
        ranges_of(path, "AppService.WestEurop")


@pytest.mark.parametrize("text", ["{", "[]", '{"values": [{"name": "x"}]}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(RangesError, match="is not a valid file of service tags"):
        ranges_of(path, "x")


def test_more_ranges_than_azure_allows_are_an_error(tmp_path: Path) -> None:
    path = published(tmp_path, AzureCloud=[f"10.{n}.0.0/24" for n in range(201)])
    result = CliRunner().invoke(main, ["ranges", str(path), "AzureCloud"])
    assert (result.exit_code, "201 ranges, but Azure OpenAI allows at most 200" in result.output) == (1, True)
