"""`deploy`, with stand-ins for `az` and the tools that upload, and `verify`, against the rehearsed app."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from infra import __main__ as commands
from infra.verify import COOKIE, REFUSES, CheckResult, Target, verify
from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.fault import FaultKind
from tests.unit.test_preflight import EVERYTHING, HEALTHY

ROOT = Path(__file__).parents[2]


def signed_in(site: WholeApp) -> Target:
    return Target(site.url, site.cookie("alice")[COOKIE])


def results(target: Target) -> list[tuple[str, bool, str]]:
    return [(result.name, result.ok, result.message) for result in verify(target, wait_s=0)]


def test_the_rehearsed_app_passes_every_check(site: WholeApp) -> None:
    assert results(signed_in(site)) == [
        ("gate", True, "the site requires a sign-in (302 /.auth/login/aad)"),
        ("page", True, "the page is deployed, with its content security policy"),
        ("api", True, "the functions are registered and configured"),
        ("answer", True, "the answer is complete; events received: 34"),
    ]


def test_without_a_session_no_answer_is_asked_for(site: WholeApp, mock_server: MockServer) -> None:
    assert [name for name, ok, _ in results(Target(site.url)) if ok] == ["gate", "page", "api"]
    assert len(mock_server.journal) == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("key_expired", "the model refuses: the key is wrong"),
        ("deployment_gone", "the model refuses: the deployment does not exist"),
        ("overloaded", "the model does not answer"),
        ("rate_limited", "the model's rate limit is reached"),
        ("quota_exceeded", "the model's quota is used up"),
        ("dropped", "the model does not answer"),
    ],
)
def test_verify_names_the_problem_with_the_model(
    site: WholeApp, mock_server: MockServer, fault: FaultKind, message: str
) -> None:
    mock_server.say("Paris.", fault=fault)
    name, ok, actual = results(signed_in(site))[-1]
    assert (name, ok) == ("answer", False)
    assert actual.startswith(message)


def test_verify_distinguishes_a_missing_role_from_a_missing_session(site: WholeApp) -> None:
    assert results(Target(site.url, site.cookie("bob")[COOKIE]))[-1][2] == "you are signed in but have no role yet"
    assert results(Target(site.url, "made-up"))[-1][2] == "the session is not valid, or has ended"


LOGIN = {"location": "/.auth/login/aad?post_login_redirect_uri=%2F"}
POLICY = {"content-security-policy": "default-src 'none'"}
HEALTH = "/api/health"
#: A site's answers, and what verify reports.
WRONG: dict[str, tuple[dict[str, tuple[int, str, dict[str, str]]], str]] = {
    "an empty site": (
        {"/": (200, "<h1>Congratulations on your new site!</h1>", {})},
        "the site is empty: it shows Azure's own page",
    ),
    "an open page": ({"/": (200, "<p>chat</p>", {})}, "the page is open to everyone without signing in"),
    "an address outside the ranges": ({"/": (403, "", {})}, "the site refuses this address (403)"),
    "a redirect elsewhere": ({"/": (302, "", {"location": "/elsewhere"})}, "GET / answers 302 /elsewhere"),
    "no page": ({"/": (302, "", LOGIN), "/register": (404, "", {})}, "/register answers 404"),
    "no policy": ({"/": (302, "", LOGIN), "/register": (200, "", {})}, "the page has no content security policy"),
    "no functions": ({HEALTH: (404, "", {})}, "0 functions are registered"),
    "a missing setting": (
        {HEALTH: (503, '{"status": "not configured", "missing": ["TICKET_KEY"]}', {})},
        "missing settings: TICKET_KEY",
    ),
    "a gate that blocks health": ({HEALTH: (302, "", LOGIN)}, "the gate blocks /api/health (302)"),
    "an app that fails": ({HEALTH: (500, "", {})}, "/api/health answers 500"),
    "an invalid event": (
        {HEALTH: (200, '{"status": "ok"}', {}), "/api/chat/completions": (200, 'data: {"cho', {})},
        "the answer was interrupted; events received: 1",
    ),
    "an answer cut short": (
        {HEALTH: (200, '{"status": "ok"}', {}), "/api/chat/completions": (200, 'data: {"choices":[]}\n\n', {})},
        "the answer was interrupted; events received: 1",
    ),
    "a role that is not in effect yet": (
        {
            HEALTH: (200, '{"status": "ok"}', {}),
            "/api/chat/completions": (502, '{"error": {"code": "model_role_missing"}}', {}),
        },
        "the model refuses: the app's identity has no role yet",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_verify_names_the_problem_with_a_deployment(name: str, httpserver: HTTPServer) -> None:
    answers, message = WRONG[name]
    healthy = {"/": (302, "", LOGIN), "/register": (200, "", POLICY)}
    for path, (status, body, headers) in {**({} if "/" in answers else healthy), **answers}.items():
        httpserver.expect_request(path).respond_with_data(body, status, headers)
    assert results(Target(httpserver.url_for("").rstrip("/"), "session"))[-1][2] == message


def test_a_broken_connection_is_a_result() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with server.accept()[0] as connection:
                connection.recv(65536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        broken = results(Target(f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
    assert broken == [("gate", False, "the answer was interrupted or did not arrive (RemoteProtocolError)")]


def test_verify_retries_a_transient_problem(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", 302, LOGIN)
    httpserver.expect_request("/register").respond_with_data("", 200, POLICY)
    for _ in range(2):
        httpserver.expect_oneshot_request(HEALTH).respond_with_data("", 404)
    httpserver.expect_request(HEALTH).respond_with_data('{"status": "ok"}')
    pauses: list[float] = []
    target = Target(httpserver.url_for(""))
    last = list(verify(target, wait_s=600, clock=lambda: sum(pauses), sleep=pauses.append))[-1]
    assert (last.ok, pauses) == (True, [15, 15])


# --- deploying -------------------------------------------------------------------------------------------------------

_STAND_IN = """#!{python}
import json, os, pathlib, sys
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
call = {{"command": [name, *words], "stdin": "" if sys.stdin.isatty() else sys.stdin.read()}}
call["environment"] = {{key: os.environ[key] for key in ("DIRECT_ORIGIN", "SITE_IP_RANGES", "SWA_CLI_DEPLOYMENT_TOKEN") if key in os.environ}}
if name == "uv":
    target = pathlib.Path(words[words.index("--target") + 1])
    target.mkdir(parents=True)
    (target / "packages.txt").write_text("the packages")
if "--api-location" in words:
    api = pathlib.Path(words[words.index("--api-location") + 1])
    call["api"] = sorted(path.relative_to(api).as_posix() for path in api.rglob("*") if path.suffix in (".py", ".txt"))
with open({log!r}, "a") as log:
    log.write(json.dumps(call) + "\\n")
command = " ".join(words)
answers = json.load(open({answers!r})) if name == "az" else {{}}
matching = [prefix for prefix in answers if command.startswith(prefix)]
answer = answers[max(matching, key=len)] if matching else None
if isinstance(answer, dict) and "interrupted" in answer:
    os.kill(os.getppid(), 2)
    sys.exit(130)
if isinstance(answer, dict) and "refused" in answer:
    sys.exit(answer["refused"])
print(json.dumps(answer))
"""
OUTPUTS = {
    "siteName": {"value": "chat-x"},
    "siteUrl": {"value": "https://127.0.0.1:9"},
    "appName": {"value": "chat-x-api"},
    "directUrl": {"value": "https://chat-x-api.azurewebsites.example"},
}
AZURE: dict[str, Any] = {
    **HEALTHY,
    "resource list": [],
    "group list": [],
    "group exists": False,
    "group create": {},
    "deployment group create": {"properties": {"outputs": OUTPUTS}},
    "functionapp deployment source config-zip": {},
    "staticwebapp secrets list": {"properties": {"apiKey": "the-sites-token"}},
    "group delete": None,
    "functionapp identity show": {"principalId": "the-apps-identity"},
    "rest --method get --url /subscriptions/0f0f0f0f-0000-0000-0000-000000000000/providers/Microsoft.Authorization/"
    "roleAssignments?api-version=2022-04-01&$filter=principalId eq 'the-apps-identity'": {
        "value": [{"id": "/one"}, {"id": "/other/group/two"}]
    },
    "role assignment delete": {"refused": "ERROR: No matched assignments were found to delete"},
    "role assignment delete --ids": None,
    "cognitiveservices account purge": None,
    "keyvault purge": None,
}


class Machine:
    """A machine whose `az`, `npm`, `npx` and `uv` are stand-ins that record their calls."""

    def __init__(self, folder: Path, answers: dict[str, Any]) -> None:
        self._log, self._bin = folder / "log", folder / "bin"
        self._bin.mkdir()
        (folder / "answers").write_text(json.dumps(answers))
        for name in ("az", "npm", "npx", "uv"):
            tool = self._bin / name
            tool.write_text(
                _STAND_IN.format(python=sys.executable, log=str(self._log), answers=str(folder / "answers"))
            )
            tool.chmod(0o755)

    def run(self, *words: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        bare = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
        env = {**bare, "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}", **environment}
        command = [sys.executable, "-m", "infra", *words]
        return subprocess.run(command, cwd=ROOT, env=env, input=typed, capture_output=True, text=True, check=False)

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    @property
    def commands(self) -> list[str]:
        return [" ".join(call["command"]) for call in self.calls]


def test_a_dry_run_prints_the_plan_and_changes_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    process = machine.run("deploy", "--topology", "linked", "--name", "chat-x", "--dry-run")
    assert process.returncode == 0, process.stderr
    assert "chat-x-api          function app, Flex Consumption, Python 3.13, westeurope" in process.stdout
    assert "Static Web App, Standard, westeurope" in process.stdout
    assert "all resources are new" in process.stdout
    assert process.stdout.endswith("nothing was changed (--dry-run)\n")
    assert [command for command in machine.commands if "create" in command or command.startswith("np")] == []


def test_a_deployment_does_its_steps_in_order_without_a_secret_on_a_command_line(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    words = ("deploy", "--topology", "direct", "--backend", "openAI", "--name", "chat-x", "--yes", "--wait", "0")
    process = machine.run(*words, OPENAI_API_KEY="sk-very-secret")
    # The last step, verify, uses the address from the stand-in.
    assert "x  gate    https://127.0.0.1:9 does not answer" in process.stdout, process.stdout + process.stderr
    steps = [
        command
        for command in machine.commands
        if not command.startswith("az account") and " list" not in command and "rest" not in command
    ]
    assert [" ".join(step.split()[:4]) for step in steps] == [
        "az group exists --name",
        "az group exists --name",
        "az group create --name",
        "az deployment group create",
        "npm --prefix webapp ci",
        "npm --prefix webapp run",
        "uv pip install --quiet",
        "az functionapp deployment source",
        "npx --yes @azure/static-web-apps-cli@2.0.10 deploy",
    ]
    assert "sk-very-secret" not in " ".join(machine.commands) + process.stdout + process.stderr
    assert "the-sites-token" not in " ".join(machine.commands) + process.stdout + process.stderr
    by_name = {" ".join(call["command"][:3]): call for call in machine.calls}
    assert json.loads(by_name["az deployment group"]["stdin"])["openAIKey"] == {"value": "sk-very-secret"}
    assert by_name["npm --prefix webapp"]["environment"]["DIRECT_ORIGIN"] == "https://chat-x-api.azurewebsites.example"
    uploaded = by_name["npx --yes @azure/static-web-apps-cli@2.0.10"]
    assert uploaded["environment"]["SWA_CLI_DEPLOYMENT_TOKEN"] == "the-sites-token"
    assert "--swa-config-location" in uploaded["command"]
    assert {"function_app.py", ".python_packages/lib/site-packages/packages.txt"} <= set(uploaded["api"])
    packing = " ".join(by_name["uv pip install"]["command"])
    assert "--python-version 3.11 --python-platform x86_64-manylinux2014 --only-binary :all:" in packing


def test_an_error_of_preflight_stops_the_deployment(tmp_path: Path) -> None:
    no_quota = [{"name": {"value": "OpenAI.GlobalStandard.gpt5.6-terra"}, "currentValue": 0.0, "limit": 0.0}]
    machine = Machine(tmp_path, {**AZURE, "cognitiveservices usage list": no_quota})
    process = machine.run("deploy", "--yes")
    assert process.returncode == 1
    assert "and westeurope has 0 left" in process.stdout
    assert process.stderr == "Error: nothing was changed: fix the errors above and try again\n"
    assert [command for command in machine.commands if "create" in command] == []


def test_a_refusal_of_azure_comes_with_its_fix(tmp_path: Path) -> None:
    stderr = "ERROR: InvalidTemplateDeployment: not valid. RequestDisallowedByPolicy: Resource 'chat-x' was disallowed by policy."
    machine = Machine(tmp_path, {**AZURE, "deployment group create": {"refused": stderr}})
    process = machine.run("deploy", "--name", "chat-x", "--yes")
    assert process.returncode == 1
    assert "RequestDisallowedByPolicy" in process.stderr
    assert process.stderr.endswith("ask the administrator of the policy named above\n")


def test_an_interruption_while_azure_deploys_says_that_azure_goes_on(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {**AZURE, "deployment group create": {"interrupted": True}})
    process = machine.run("deploy", "--name", "chat-x", "--yes")
    assert process.returncode == 1
    assert "interrupted, but Azure goes on with the resources" in process.stderr
    assert "az deployment group cancel --resource-group chat-test --name chat" in process.stderr


def test_a_deployment_that_changes_nothing_does_not_say_that_all_is_new(tmp_path: Path) -> None:
    unchanged = {"changes": [{"changeType": "NoChange", "resourceId": "/providers/x"}]}
    answers = {**AZURE, "group exists": True, "deployment group what-if": unchanged}
    process = Machine(tmp_path, answers).run("deploy", "--name", "chat-x", "--dry-run")
    assert ("no resource changes" in process.stdout, "are new" in process.stdout) == (True, False)


def test_ranges_that_exclude_this_machine_do_not_make_a_deployment_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = CheckResult("gate", False, REFUSES, "a fix")
    monkeypatch.setattr(commands, "verification", lambda *_, **__: iter([refused]))
    commands._print_verification(Target("https://x"), 0, without_session=True, only_some=True)
    assert capsys.readouterr().out.startswith(f"?  gate    not checked: {REFUSES}, as its ranges say")
    with pytest.raises(SystemExit):
        commands._print_verification(Target("https://x"), 0, without_session=True)


def test_without_a_confirmation_nothing_is_changed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    assert machine.run("deploy", typed="n\n").returncode == 1
    assert [command for command in machine.commands if "create" in command] == []


RESOURCES = [
    {"type": "Microsoft.Web/staticSites", "name": "chat-x", "location": "westeurope", "id": "/the/site"},
    {"type": "Microsoft.Web/sites", "name": "chat-x-api", "location": "westeurope"},
    {"type": "Microsoft.CognitiveServices/accounts", "name": "chat-x-openai", "location": "swedencentral"},
    {"type": "Microsoft.KeyVault/vaults", "name": "kv-chat-x", "location": "westeurope"},
]


def test_destroy_needs_the_groups_name_and_purges_what_holds_a_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {**AZURE, "group exists": True, "resource list": RESOURCES})
    refused = machine.run("destroy", typed="yes\n")
    assert (refused.returncode, refused.stderr) == (1, "Error: nothing was deleted\n")
    assert "4 resources in chat-test; to be purged: chat-x-openai, kv-chat-x" in refused.stdout
    process = machine.run("destroy", typed="chat-test\n")
    assert process.stdout.endswith("chat-test is deleted\n")
    assert [
        command.partition(" --output")[0] for command in machine.commands if "delete" in command or "purge" in command
    ] == [
        "az role assignment delete --ids /one /other/group/two",
        "az group delete --name chat-test --yes",
        "az cognitiveservices account purge --name chat-x-openai --resource-group chat-test --location swedencentral",
        "az keyvault purge --name kv-chat-x --location westeurope",
    ]


def test_destroy_marks_what_the_app_did_not_deploy(tmp_path: Path) -> None:
    known = {"properties": {"parameters": {"name": {"value": "chat-x"}}}}
    others = {"type": "Microsoft.KeyVault/vaults", "name": "kv-of-bob", "location": "westeurope"}
    answers = {**AZURE, "group exists": True, "group list": [["chat-test", "westeurope"]]}
    detector = {"type": "microsoft.alertsmanagement/smartDetectorAlertRules", "location": "global"}
    detector["name"] = "Failure Anomalies - chat-x-insights"
    answers |= {"deployment group show": known, "resource list": [*RESOURCES, others, detector]}
    process = Machine(tmp_path, answers).run("destroy", typed="no\n")
    marked = [line for line in process.stdout.splitlines() if line.endswith("NOT DEPLOYED BY THIS APP")]
    assert [line.split()[1] for line in marked] == ["kv-of-bob"]


def test_a_plan_and_a_missing_group_name_the_subscription(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    assert "chat-test of the subscription Contoso" in machine.run("deploy", "--dry-run").stdout
    assert machine.run("destroy", typed="no\n").stderr.endswith("holds its name, in the subscription Contoso\n")


def test_destroy_purges_the_others_where_one_may_not_be_purged_and_names_its_command(tmp_path: Path) -> None:
    refused = {"refused": "ERROR: (AuthorizationFailed) may not perform 'deletedAccounts/delete'."}
    answers = {**AZURE, "group exists": True, "resource list": RESOURCES, "cognitiveservices account purge": refused}
    machine = Machine(tmp_path, answers)
    process = machine.run("destroy", "--yes")
    assert (process.returncode, "is deleted" in process.stdout) == (1, False)
    assert process.stderr.startswith("Error: chat-test is deleted, but a name is still held")
    assert "az cognitiveservices account purge --name chat-x-openai --resource-group chat-test" in process.stderr
    assert any(command.startswith("az keyvault purge --name kv-chat-x") for command in machine.commands)


def test_destroy_removes_an_app_without_roles_or_without_an_identity(tmp_path: Path) -> None:
    for number, identity in enumerate(({"principalId": "another"}, None)):
        (folder := tmp_path / str(number)).mkdir()
        answers = {
            **AZURE,
            "group exists": True,
            "resource list": RESOURCES,
            "functionapp identity show": identity,
            "rest --method get": {"value": []},
        }
        machine = Machine(folder, answers)
        assert machine.run("destroy", "--yes").returncode == 0
        assert not [command for command in machine.commands if "assignment delete" in command]


def test_destroy_again_purges_what_an_earlier_one_left_and_says_so_where_there_is_nothing(tmp_path: Path) -> None:
    old = "/subscriptions/s/resourceGroups"
    accounts = [
        {"name": "chat-x-openai", "location": "swedencentral", "id": f"{old}/Chat-Test/deletedAccounts/chat-x-openai"},
        {"name": "other", "location": "swedencentral", "id": f"{old}/chat-test-2/deletedAccounts/other"},
    ]
    vault = {"location": "westeurope", "vaultId": f"{old}/chat-test/providers/Microsoft.KeyVault/vaults/kv-chat-x"}
    left = {
        "cognitiveservices account list-deleted": accounts,
        "keyvault list-deleted": [{"name": "kv-chat-x", "properties": vault}],
    }
    machine = Machine(tmp_path, {**AZURE, **left})
    process = machine.run("destroy")
    assert process.stdout == "chat-test was deleted before; purged: chat-x-openai, kv-chat-x\n", process.stderr
    assert [command.partition(" --output")[0] for command in machine.commands if "purge" in command] == [
        "az cognitiveservices account purge --name chat-x-openai --resource-group chat-test --location swedencentral",
        "az keyvault purge --name kv-chat-x --location westeurope",
    ]
    (nothing := tmp_path / "nothing").mkdir()
    none: dict[str, Any] = {"cognitiveservices account list-deleted": [], "keyvault list-deleted": []}
    process = Machine(nothing, {**AZURE, **none}).run("destroy")
    assert process.stderr == (
        "Error: there is no resource group chat-test, and nothing deleted that holds its name, in the subscription Contoso\n"
    )


def test_the_sites_ranges_are_remembered_by_every_later_deployment(tmp_path: Path) -> None:
    def deployed_with(number: int, last: list[str], *words: str, **environment: str) -> tuple[str, str, Any]:
        (folder := tmp_path / str(number)).mkdir()
        parameters = {"topology": "linked", "name": "chat-x", "siteIpRanges": last}
        known = {"properties": {"parameters": {name: {"value": value} for name, value in parameters.items()}}}
        answers = {
            **AZURE,
            "group list": [["chat-test", "westeurope"]],
            "group exists": True,
            "deployment group show": known,
        }
        machine = Machine(folder, {**answers, "deployment group what-if": {"changes": []}})
        process = machine.run("deploy", "--yes", "--wait", "0", *words, **environment)
        by_name = {" ".join(call["command"][:4]): call for call in machine.calls}
        sent = json.loads(by_name["az deployment group create"]["stdin"])["siteIpRanges"]["value"]
        return process.stdout, by_name["npm --prefix webapp run"]["environment"]["SITE_IP_RANGES"], sent

    office, home = "203.0.113.0/24", "198.51.100.7/32"
    output, built, sent = deployed_with(1, [], SITE_IP_RANGES=f"{office}, {home}")
    assert (built, sent) == (f"{office},{home}", [office, home])
    assert f"reachable  the site from {office}, {home}; " in output
    output, built, sent = deployed_with(2, [office])
    assert (built, sent) == (office, [office])
    output, built, sent = deployed_with(3, [office], "--set", "siteIpRanges=")
    assert (built, sent) == ("", [])
    assert f"the site, which only {office} may open, will be open to every address" in output
    assert "reachable  the site from every address; " in output


#: An environment that is deployed with the defaults.
DEPLOYED = {"group list": [["chat-test", "westeurope"]], "deployment group show": {"properties": {"parameters": {}}}}
UNREAD = {
    "group list": [["chat-test", "westeurope"]],
    "deployment group show": {
        "refused": "ERROR: (AuthorizationFailed) may not read 'Microsoft.Resources/deployments'."
    },
}


def test_a_group_that_is_not_listed_is_not_taken_for_one_without_ranges(tmp_path: Path) -> None:
    process = Machine(tmp_path, {**AZURE, "resource list": RESOURCES, "rest --method get": {"value": []}}).run(
        "preview", "--as", "pr12"
    )
    assert "chat-test cannot be read: az group list does not have it" in process.stderr


@pytest.mark.parametrize("words", [("deploy", "--yes"), ("preflight",), ("preview", "--as", "pr12")])
def test_what_is_deployed_but_cannot_be_read_is_not_replaced_by_defaults(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    machine = Machine(tmp_path, {**AZURE, **UNREAD, "resource list": RESOURCES, "rest --method get": EVERYTHING})
    process = machine.run(*words)
    assert process.returncode == 1
    assert "what is deployed in chat-test cannot be read: AuthorizationFailed" in process.stdout + process.stderr
    assert "on the group chat-test, or try again" in process.stdout + process.stderr
    assert [command for command in machine.commands if "create" in command or command.startswith("np")] == []


def test_what_the_portal_deployed_is_known_by_its_parameters_and_a_groups_name_in_any_case(tmp_path: Path) -> None:
    def deployment(called: str, timestamp: str, **parameters: Any) -> dict[str, Any]:
        given = {key: {"value": value} for key, value in parameters.items()}
        return {"name": called, "properties": {"timestamp": timestamp, "parameters": given}}

    ours = {"name": "chat-p", "topology": "linked", "backend": "newAzureOpenAI"}
    known = [
        deployment("role-chat-p", "2026-11-30T12:00:02", principal="x"),
        deployment("Microsoft.Template-1", "2026-11-29T12:00:00", **ours, requiredRole="old"),
        deployment("Microsoft.Template-2", "2026-11-30T12:00:00", **ours, requiredRole="staff"),
    ]
    answers = {
        "group list": [["Chat-Test", "northeurope"]],
        "deployment group show": {"refused": "ERROR: (DeploymentNotFound) Deployment 'chat' could not be found."},
        "deployment group list": known,
    }
    process = Machine(tmp_path, {**AZURE, **answers}).run("deploy", "--dry-run")
    assert "chat-p-api" in process.stdout
    assert "deploy     test: linked, newAzureOpenAI, to the resource group chat-test" in process.stdout, process.stderr
    assert "a sign-in and the role staff" in process.stdout
    assert "Azure OpenAI, northeurope" in process.stdout


def test_a_preview_is_deployed_beside_the_site_and_removed(tmp_path: Path) -> None:
    environments = [{"name": "default", "hostname": "x.example"}, {"name": "pr12", "hostname": "x-pr12.example"}]
    answers = {
        **AZURE,
        **DEPLOYED,
        "resource list": RESOURCES,
        "rest --method get --url /the/site/linkedBackends": {"value": []},
        "staticwebapp environment list": environments,
    }
    machine = Machine(tmp_path, {**answers, "staticwebapp environment delete": None})
    process = machine.run("preview", "--as", "pr12")
    assert (process.returncode, process.stdout.splitlines()[-1]) == (0, "https://x-pr12.example"), process.stderr
    assert "--env pr12 --api-location" in next(command for command in machine.commands if command.startswith("npx"))
    assert machine.run("preview", "--as", "pr12", "--remove").returncode == 0
    assert (
        "az staticwebapp environment delete --resource-group chat-test --name chat-x --environment-name pr12"
        in machine.commands[-1]
    )


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            {"resource list": []},
            "a preview needs a site beside it, but the group chat-test has none: run make deploy first",
        ),
        (
            {"resource list": RESOURCES, "rest --method get --url /the/site/linkedBackends": {"value": [{}]}},
            "chat-x has a linked API, which previews do not support",
        ),
    ],
)
def test_the_error_says_why_a_preview_is_not_possible(tmp_path: Path, answers: dict[str, Any], message: str) -> None:
    process = Machine(tmp_path, {**AZURE, **DEPLOYED, **answers}).run("preview", "--as", "pr12")
    assert (process.returncode, message in process.stderr) == (1, True)


def test_a_workflow_signs_in_with_githubs_token(tmp_path: Path, httpserver: HTTPServer) -> None:
    query, bearer = (
        {"api-version": "2.0", "audience": "api://AzureADTokenExchange"},
        {"authorization": "bearer request"},
    )
    httpserver.expect_request("/token", query_string=query, headers=bearer).respond_with_json(
        {"value": "githubs-token"}
    )
    machine = Machine(tmp_path, {"login": [], "account set": None, "account get-access-token": "Bearer"})
    url = httpserver.url_for("/token?api-version=2.0")
    github = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request"}
    ours = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_SUBSCRIPTION_ID": "s"}
    process = machine.run("sign-in", **github, **ours, NO_PROXY="localhost")
    assert process.returncode == 0, process.stderr
    assert machine.calls[0]["stdin"] == "githubs-token"
    assert "githubs-token" not in " ".join(machine.commands)
    missing = machine.run("sign-in", **github)
    assert "AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_SUBSCRIPTION_ID missing" in missing.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("preview", "--as", "pr 12"), "the name of a preview must have only letters and digits, got 'pr 12'"),
        (("deploy", "--topology", "lincked"), "'lincked' is not one of 'managed', 'linked', 'direct'"),
        (("deploy", "--set", "colour=blue"), "unknown parameter 'colour'"),
        (("deploy", "--set", "modelCapacity=many"), "modelCapacity must be JSON of the type int, got 'many'"),
        (("deploy", "--name", "x"), "the name must have 3 to 21 lower-case letters, digits and single hyphens"),
        (("deploy", "--set", "openAIKey=sk-1"), "openAIKey is a secret"),
        (("deploy", "--set", "siteIpRanges=203.0.113"), "must be IPv4 ranges such as 203.0.113.0/24, got '203.0.113'"),
        (("deploy", "--set", "siteIpRanges=203.0.113.7"), "203.0.113.7 needs its length: 203.0.113.7/32"),
    ],
)
def test_the_error_explains_a_typing_mistake(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    process = Machine(tmp_path, AZURE).run(*words)
    assert process.returncode != 0
    assert message in process.stderr


def test_the_name_is_the_same_at_every_deployment(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    names = {machine.run("deploy", "--dry-run").stdout.split("chat-test-")[1][:4] for _ in range(2)}
    assert len(names) == 1


def test_a_deployment_keeps_the_last_parameters(tmp_path: Path) -> None:
    last = {"topology": "linked", "name": "chat-old", "invited": "@x.example"}
    deployment = {"properties": {"parameters": {name: {"value": value} for name, value in last.items()}}}
    answers = {**AZURE, "group list": [["chat-test", "northeurope"]], "deployment group show": deployment}
    answers["functionapp list-flexconsumption-locations"] = [{"name": "northeurope"}]
    stdout = Machine(tmp_path, answers).run("deploy", "--dry-run").stdout
    assert "test: linked, newAzureOpenAI" in stdout
    assert "chat-old-api          function app, Flex Consumption, Python 3.13, northeurope" in stdout
