"""The IPv4 ranges of a service tag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

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
    assert ranges_of(path, "AppService.WestEurope") == ("198.51.100.7", "203.0.113.0/24")


def test_one_and_two_addresses_have_no_length_which_azure_would_refuse(tmp_path: Path) -> None:
    path = published(tmp_path, AzureCloud_swedencentral=["203.0.113.6/31", "198.51.100.7/32", "192.0.2.0/30"])
    assert ranges_of(path, "AzureCloud.SwedenCentral") == ("192.0.2.0/30", "198.51.100.7", "203.0.113.6", "203.0.113.7")


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


def ranges(path: Path, tag: str) -> Result:
    return CliRunner().invoke(main, ["ranges", str(path), tag])


def test_more_ranges_than_azure_allows_are_an_error(tmp_path: Path) -> None:
    path = published(tmp_path, AzureCloud=[f"10.{n}.0.0/24" for n in range(201)])
    result = ranges(path, "AzureCloud")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "201 ranges, but Azure OpenAI allows at most 200" in result.stderr


@pytest.mark.parametrize(
    ("tag", "caution"),
    [
        (
            "AppService.WestEurope",
            "Microsoft names AzureCloud.REGION for calls from Functions, and AppService for calls to apps",
        ),
        ("AzureCloud.westeurope", "AzureCloud is everything that runs in the region"),
    ],
)
def test_ranges_come_with_their_count_and_with_what_is_unproved(tmp_path: Path, tag: str, caution: str) -> None:
    path = published(tmp_path, AppService_WestEurope=["203.0.113.0/24"], AzureCloud_westeurope=["203.0.113.0/24"])
    result = ranges(path, tag)
    assert (result.exit_code, result.stdout) == (0, '["203.0.113.0/24"]\n')
    assert "1 of the 200 ranges that Azure OpenAI allows" in result.stderr
    assert caution in result.stderr
    assert "an app outside the ranges cannot reach the model" in result.stderr


def test_the_help_says_what_is_unproved() -> None:
    text = " ".join(CliRunner().invoke(main, ["ranges", "--help"]).output.split())
    assert "Microsoft names AzureCloud.REGION for calls from Functions" in text
    assert "unproved" in text
