"""Deploying, with a stand-in for `az` and for the tools that upload, and verifying, against the app as it is rehearsed."""

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

from infra.verify import COOKIE, Target, verify
from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.fault import FaultKind
from tests.unit.test_preflight import HEALTHY

ROOT = Path(__file__).parents[2]


def signed_in(site: WholeApp) -> Target:
    return Target(site.url, site.cookie("alice")[COOKIE])


def seen(target: Target) -> list[tuple[str, bool, str]]:
    return [(each.name, each.ok, each.said) for each in verify(target, wait_s=0)]


def test_the_rehearsed_app_passes_every_check(site: WholeApp) -> None:
    assert seen(signed_in(site)) == [
        ("gate", True, "nobody gets in without signing in (302 /.auth/login/aad)"),
        ("page", True, "it is there, under its policy"),
        ("api", True, "the functions are registered and set up"),
        ("answer", True, "34 events, whole"),
    ]


def test_without_a_session_no_answer_is_asked_for(site: WholeApp, mock_server: MockServer) -> None:
    assert [name for name, ok, _ in seen(Target(site.url)) if ok] == ["gate", "page", "api"]
    assert len(mock_server.journal) == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("key_expired", "the model refuses: the key is wrong"),
        ("deployment_gone", "the model refuses: there is no such deployment"),
        ("overloaded", "the model does not answer"),
        ("rate_limited", "the model is at its limit"),
        ("quota_exceeded", "the model's quota is used up"),
        ("dropped", "the model does not answer"),
    ],
)
def test_what_is_wrong_with_the_model_is_told_apart(
    site: WholeApp, mock_server: MockServer, fault: FaultKind, said: str
) -> None:
    mock_server.say("Paris.", fault=fault)
    name, ok, found = seen(signed_in(site))[-1]
    assert (name, ok) == ("answer", False)
    assert found.startswith(said)


def test_no_role_yet_is_told_from_no_session(site: WholeApp) -> None:
    assert seen(Target(site.url, site.cookie("bob")[COOKIE]))[-1][2] == "no role yet: you are signed in and not invited"
    assert seen(Target(site.url, "made-up"))[-1][2] == "the session has ended, or is none"


LOGIN = {"location": "/.auth/login/aad?post_login_redirect_uri=%2F"}
POLICY = {"content-security-policy": "default-src 'none'"}
HEALTH = "/api/health"
#: What a site answers, and what that means.
WRONG: dict[str, tuple[dict[str, tuple[int, str, dict[str, str]]], str]] = {
    "an empty site": (
        {"/": (200, "<h1>Congratulations on your new site!</h1>", {})},
        "the site is empty: Azure's own page is on it",
    ),
    "an open page": ({"/": (200, "<p>chat</p>", {})}, "the page is open to everybody"),
    "an address outside the ranges": ({"/": (403, "", {})}, "the site refuses this address (403)"),
    "a redirect elsewhere": ({"/": (302, "", {"location": "/elsewhere"})}, "GET / answers 302 /elsewhere"),
    "no page": ({"/": (302, "", LOGIN), "/register": (404, "", {})}, "/register answers 404"),
    "no policy": ({"/": (302, "", LOGIN), "/register": (200, "", {})}, "the page has no content security policy"),
    "no functions": ({HEALTH: (404, "", {})}, "0 functions are registered"),
    "a setting that is missing": (
        {HEALTH: (503, '{"status": "not configured", "missing": ["TICKET_KEY"]}', {})},
        "a setting is missing: TICKET_KEY",
    ),
    "a gate that keeps health shut": ({HEALTH: (302, "", LOGIN)}, "the gate keeps /api/health shut (302)"),
    "an app that fails": ({HEALTH: (500, "", {})}, "/api/health answers 500"),
    "an answer that is no event": (
        {HEALTH: (200, '{"status": "ok"}', {}), "/api/chat/completions": (200, 'data: {"cho', {})},
        "the answer broke off after 1 events",
    ),
    "an answer cut short": (
        {HEALTH: (200, '{"status": "ok"}', {}), "/api/chat/completions": (200, 'data: {"choices":[]}\n\n', {})},
        "the answer broke off after 1 events",
    ),
    "a role that does not count yet": (
        {
            HEALTH: (200, '{"status": "ok"}', {}),
            "/api/chat/completions": (502, '{"error": {"code": "model_role_missing"}}', {}),
        },
        "the model refuses: the app's identity has no role yet",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_deployment_is_told_apart(name: str, httpserver: HTTPServer) -> None:
    answers, said = WRONG[name]
    usual = {"/": (302, "", LOGIN), "/register": (200, "", POLICY)}
    for path, (status, body, headers) in {**({} if "/" in answers else usual), **answers}.items():
        httpserver.expect_request(path).respond_with_data(body, status, headers)
    assert seen(Target(httpserver.url_for("").rstrip("/"), "session"))[-1][2] == said


def test_a_site_that_breaks_off_is_a_finding() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with server.accept()[0] as connection:
                connection.recv(65536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        found = seen(Target(f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
    assert found == [("gate", False, "the answer broke off, or did not come (RemoteProtocolError)")]


def test_what_may_mend_itself_is_waited_for(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", 302, LOGIN)
    httpserver.expect_request("/register").respond_with_data("", 200, POLICY)
    for _ in range(2):
        httpserver.expect_oneshot_request(HEALTH).respond_with_data("", 404)
    httpserver.expect_request(HEALTH).respond_with_data('{"status": "ok"}')
    waited: list[float] = []
    found = list(verify(Target(httpserver.url_for("")), wait_s=600, clock=lambda: sum(waited), sleep=waited.append))
    assert (found[-1].ok, waited) == (True, [15, 15])


# --- deploying -------------------------------------------------------------------------------------------------------

_STAND_IN = """#!{python}
import json, os, pathlib, sys
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
asked = {{"command": [name, *words], "given": "" if sys.stdin.isatty() else sys.stdin.read()}}
asked["environment"] = {{key: os.environ[key] for key in ("DIRECT_ORIGIN", "SWA_CLI_DEPLOYMENT_TOKEN") if key in os.environ}}
if name == "uv":
    target = pathlib.Path(words[words.index("--target") + 1])
    target.mkdir(parents=True)
    (target / "packages.txt").write_text("the packages")
if "--api-location" in words:
    api = pathlib.Path(words[words.index("--api-location") + 1])
    asked["api"] = sorted(path.relative_to(api).as_posix() for path in api.rglob("*") if path.suffix in (".py", ".txt"))
with open({log!r}, "a") as log:
    log.write(json.dumps(asked) + "\\n")
said = " ".join(words)
answers = json.load(open({answers!r})) if name == "az" else {{}}
matching = [each for each in answers if said.startswith(each)]
answer = answers[max(matching, key=len)] if matching else None
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
    "role assignment delete": None,
    "cognitiveservices account purge": None,
    "keyvault purge": None,
}


class Machine:
    """A machine whose `az`, `npm` and `npx` are stand-ins that note what they are asked."""

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
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    @property
    def commands(self) -> list[str]:
        return [" ".join(each["command"]) for each in self.asked]


def test_a_dry_run_says_everything_and_changes_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    done = machine.run("deploy", "--topology", "linked", "--name", "chat-x", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "chat-x-api          function app, Flex Consumption, Python 3.13, westeurope" in done.stdout
    assert "Static Web App, Standard, westeurope" in done.stdout
    assert "all of it is new" in done.stdout
    assert done.stdout.endswith("nothing was changed (--dry-run)\n")
    assert [each for each in machine.commands if "create" in each or each.startswith("np")] == []


def test_a_deployment_goes_step_by_step_and_no_secret_stands_on_a_command_line(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    words = ("deploy", "--topology", "direct", "--backend", "openAI", "--name", "chat-x", "--yes", "--wait", "0")
    done = machine.run(*words, OPENAI_API_KEY="sk-very-secret")
    # The last step, verify, asks the address that the stand-in made up.
    assert "x  gate    https://127.0.0.1:9 does not answer" in done.stdout, done.stdout + done.stderr
    steps = [
        each
        for each in machine.commands
        if not each.startswith("az account") and " list" not in each and "rest" not in each
    ]
    assert [" ".join(each.split()[:4]) for each in steps] == [
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
    assert "sk-very-secret" not in " ".join(machine.commands) + done.stdout + done.stderr
    assert "the-sites-token" not in " ".join(machine.commands) + done.stdout + done.stderr
    by_name = {" ".join(each["command"][:3]): each for each in machine.asked}
    assert json.loads(by_name["az deployment group"]["given"])["openAIKey"] == {"value": "sk-very-secret"}
    assert by_name["npm --prefix webapp"]["environment"]["DIRECT_ORIGIN"] == "https://chat-x-api.azurewebsites.example"
    uploaded = by_name["npx --yes @azure/static-web-apps-cli@2.0.10"]
    assert uploaded["environment"]["SWA_CLI_DEPLOYMENT_TOKEN"] == "the-sites-token"
    assert "--swa-config-location" in uploaded["command"]
    assert {"function_app.py", ".python_packages/lib/site-packages/packages.txt"} <= set(uploaded["api"])
    packing = " ".join(by_name["uv pip install"]["command"])
    assert "--python-version 3.11 --python-platform x86_64-manylinux2014 --only-binary :all:" in packing


def test_nothing_is_changed_while_something_stands_in_the_way(tmp_path: Path) -> None:
    spent = [{"name": {"value": "OpenAI.GlobalStandard.gpt5.1"}, "currentValue": 0.0, "limit": 0.0}]
    machine = Machine(tmp_path, {**AZURE, "cognitiveservices usage list": spent})
    done = machine.run("deploy", "--yes")
    assert done.returncode == 1
    assert "and westeurope has 0 left" in done.stdout
    assert done.stderr == "Error: nothing was changed: mend what preflight found, then again\n"
    assert [each for each in machine.commands if "create" in each] == []


def test_what_azure_refuses_comes_with_its_fix(tmp_path: Path) -> None:
    said = "ERROR: InvalidTemplateDeployment: not valid. RequestDisallowedByPolicy: Resource 'chat-x' was disallowed by policy."
    machine = Machine(tmp_path, {**AZURE, "deployment group create": {"refused": said}})
    done = machine.run("deploy", "--name", "chat-x", "--yes")
    assert done.returncode == 1
    assert "RequestDisallowedByPolicy" in done.stderr
    assert done.stderr.endswith("ask who keeps the policies, naming the one above\n")


def test_who_does_not_say_yes_changes_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    assert machine.run("deploy", typed="n\n").returncode == 1
    assert [each for each in machine.commands if "create" in each] == []


THERE = [
    {"type": "Microsoft.Web/staticSites", "name": "chat-x", "location": "westeurope"},
    {"type": "Microsoft.Web/sites", "name": "chat-x-api", "location": "westeurope"},
    {"type": "Microsoft.CognitiveServices/accounts", "name": "chat-x-openai", "location": "swedencentral"},
    {"type": "Microsoft.KeyVault/vaults", "name": "kv-chat-x", "location": "westeurope"},
]


def test_removing_wants_the_groups_name_and_purges_what_holds_a_name(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {**AZURE, "resource list": THERE})
    refused = machine.run("destroy", typed="yes\n")
    assert (refused.returncode, refused.stderr) == (1, "Error: nothing was deleted\n")
    assert "4 resources in chat-test; chat-x-openai, kv-chat-x will be purged too" in refused.stdout
    done = machine.run("destroy", typed="chat-test\n")
    assert done.stdout.endswith("chat-test is gone\n")
    assert [each.partition(" --output")[0] for each in machine.commands if "delete" in each or "purge" in each] == [
        "az role assignment delete --assignee the-apps-identity",
        "az group delete --name chat-test --yes",
        "az cognitiveservices account purge --name chat-x-openai --resource-group chat-test --location swedencentral",
        "az keyvault purge --name kv-chat-x --location westeurope",
    ]


def test_removing_what_is_not_there_says_so(tmp_path: Path) -> None:
    said = {"refused": "ERROR: (ResourceGroupNotFound) Resource group 'chat-test' could not be found."}
    done = Machine(tmp_path, {**AZURE, "resource list": said}).run("destroy")
    assert (done.returncode, "ResourceGroupNotFound" in done.stderr) == (1, True)


def test_a_preview_stands_beside_the_site_and_goes_again(tmp_path: Path) -> None:
    listed = [{"name": "default", "hostname": "x.example"}, {"name": "pr12", "hostname": "x-pr12.example"}]
    answers = {
        **AZURE,
        "resource list": THERE,
        "staticwebapp backends show": [],
        "staticwebapp environment list": listed,
    }
    machine = Machine(tmp_path, {**answers, "staticwebapp environment delete": None})
    done = machine.run("preview", "--as", "pr12")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "https://x-pr12.example"), done.stderr
    assert "--env pr12 --api-location" in next(each for each in machine.commands if each.startswith("npx"))
    assert machine.run("preview", "--as", "pr12", "--remove").returncode == 0
    assert (
        "az staticwebapp environment delete --resource-group chat-test --name chat-x --environment-name pr12"
        in machine.commands[-1]
    )


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"resource list": []}, "the group chat-test has no site to preview beside; make deploy first"),
        (
            {"resource list": THERE, "staticwebapp backends show": [{}]},
            "chat-x has a linked API, which previews have not",
        ),
    ],
)
def test_why_there_is_no_preview_is_said(tmp_path: Path, answers: dict[str, Any], said: str) -> None:
    done = Machine(tmp_path, {**AZURE, **answers}).run("preview", "--as", "pr12")
    assert (done.returncode, said in done.stderr) == (1, True)


def test_a_pipeline_signs_in_with_the_token_that_vouches_for_it(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/token", headers={"authorization": "bearer request"}).respond_with_json(
        {"value": "vouched"}
    )
    machine = Machine(tmp_path, {"login": [], "account set": None})
    given = {"ACTIONS_ID_TOKEN_REQUEST_URL": httpserver.url_for("/token"), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request"}
    ours = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_SUBSCRIPTION_ID": "s"}
    done = machine.run("sign-in", **given, **ours, NO_PROXY="localhost")
    assert done.returncode == 0, done.stderr
    assert machine.asked[0]["given"] == "vouched"
    assert "vouched" not in " ".join(machine.commands)
    missing = machine.run("sign-in", **given)
    assert "AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_SUBSCRIPTION_ID missing" in missing.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("preview", "--as", "pr 12"), "a preview is named with letters and digits"),
        (("deploy", "--topology", "lincked"), "'lincked' is not one of 'managed', 'linked', 'direct'"),
        (("deploy", "--set", "colour=blue"), "there is no parameter 'colour'"),
        (("deploy", "--set", "modelCapacity=many"), "modelCapacity wants JSON of the type int, not 'many'"),
        (("deploy", "--name", "x"), "the name 'x': 3 to 21 lower-case letters"),
        (("deploy", "--set", "openAIKey=sk-1"), "openAIKey is a secret"),
    ],
)
def test_a_tired_persons_mistake_is_named(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = Machine(tmp_path, AZURE).run(*words)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_name_is_the_same_at_every_deployment(tmp_path: Path) -> None:
    machine = Machine(tmp_path, AZURE)
    names = {machine.run("deploy", "--dry-run").stdout.split("chat-test-")[1][:4] for _ in range(2)}
    assert len(names) == 1


def test_a_deployment_goes_on_from_the_last(tmp_path: Path) -> None:
    last = {"topology": "linked", "name": "chat-old", "invited": "@x.example"}
    shown = {"properties": {"parameters": {name: {"value": value} for name, value in last.items()}}}
    answers = {**AZURE, "group list": ["northeurope"], "deployment group show": shown}
    answers["functionapp list-flexconsumption-locations"] = [{"name": "northeurope"}]
    said = Machine(tmp_path, answers).run("deploy", "--dry-run").stdout
    assert "test: linked, newAzureOpenAI" in said
    assert "chat-old-api          function app, Flex Consumption, Python 3.13, northeurope" in said
