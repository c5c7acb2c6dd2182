"""When models retire, and which are deprecated: as Azure says, else as the file of models has it."""

from __future__ import annotations

import shutil
from datetime import date
from typing import Any

import pytest

from infra.azure import Azure, AzureError
from infra.plan import Choice, ExistingDeployment, make_plan, resolve_parameters
from infra.preflight import preflight
from infra.retirement import load_models, read_on
from tests.unit.subscriptions import MODEL, TODAY, fake, report


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize(
    ("today", "what"),
    [
        (date(2027, 7, 14), None),
        (date(2027, 7, 15), "retires on 2028-01-11, in 180 days"),
        (date(2028, 1, 11), "retired on 2028-01-11"),
    ],
)
def test_preflight_warns_180_days_before_a_model_retires(today: date, what: str | None) -> None:
    choice = Choice("test")
    plan = make_plan(resolve_parameters(choice, ExistingDeployment(), {}), choice.group, today)
    result = preflight(fake(), plan)
    expected = [f"gpt-5.6-terra 2026-07-09 {what}"] if what else []
    assert [finding.what for finding in result.findings] == expected
    assert result.ready is (today < date(2028, 1, 11))


def _listed(**changed: Any) -> Azure:
    return fake(cognitiveservices_model_list=[{"model": {**MODEL["model"], **changed}}])


def test_azures_own_date_goes_before_the_files_and_that_of_the_sku_before_the_models() -> None:
    plan = make_plan(resolve_parameters(Choice("test"), ExistingDeployment(), {}), "chat-test", date(2026, 12, 1))
    skus = [{**MODEL["model"]["skus"][0], "deprecationDate": "2027-02-01T00:00:00Z"}]
    for changed, words in (
        ({"deprecation": {"inference": "2027-03-01T00:00:00Z"}}, "retires on 2027-03-01, in 90 days"),
        ({"skus": skus}, "retires on 2027-02-01, in 62 days"),
    ):
        assert [each.what for each in preflight(_listed(**changed), plan).findings] == [
            f"gpt-5.6-terra 2026-07-09 {words}"
        ]


def test_without_azures_dates_the_files_are_used_and_said_to_be_old() -> None:
    def words(azure: Azure, today: date, **parameters: Any) -> list[str]:
        resolved = resolve_parameters(Choice("test", parameters=parameters), ExistingDeployment(), {})
        return [each.what for each in preflight(azure, make_plan(resolved, "chat-test", today)).findings]

    no_dates = _listed(deprecation=None)
    signed_out = fake(account_show=AzureError("NotLoggedIn", "Please run 'az login' to setup account."))
    fresh, old = date(2026, 12, 1), date(2026, 12, 2)
    assert words(no_dates, fresh) == []
    assert words(no_dates, old) == ["the dates in infra/models.json were read 91 days ago"]
    assert words(signed_out, old)[1:] == ["the dates in infra/models.json were read 91 days ago"]
    retiring = words(signed_out, fresh, modelName="gpt-5", modelVersion="2025-08-07")
    assert retiring[1:] == ["gpt-5 2025-08-07 retires on 2027-02-09, in 70 days"]
    unknown = words(signed_out, fresh, modelName="gpt-9")
    assert unknown[1:] == ["infra/models.json does not list gpt-9 2026-07-09"]
    no_models = fake(cognitiveservices_model_list=AzureError("AuthorizationFailed", "No."))
    assert words(no_models, old)[0] == "the dates in infra/models.json were read 91 days ago"


def test_a_deprecated_model_is_an_error_where_nothing_is_deployed_yet() -> None:
    deprecated = _listed(lifecycleStatus="Deprecated")
    assert not report(deprecated).ready
    ours = fake(
        cognitiveservices_model_list=[{"model": {**MODEL["model"], "lifecycleStatus": "Deprecated"}}],
        resource_list=[{"name": "chat-test-aa40-openai"}],
    )
    resolved = resolve_parameters(Choice("test", name="chat-test-aa40"), ExistingDeployment(), {})
    again = preflight(ours, make_plan(resolved, "chat-test", TODAY))
    assert (again.ready, [each.warning for each in again.findings]) == (True, [True])


def test_the_default_model_lives_for_another_year_from_the_day_of_the_table() -> None:
    assert load_models()[0].days_left(read_on()) > 365
