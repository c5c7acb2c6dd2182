"""GitHub Actions and Azure Pipelines, as far as this project's pipelines use them: each step is a process in a checkout, with
what the service gives it. GitHub's own packages read the workflows and evaluate the expressions of both."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from tests.azure.cloud import SUBSCRIPTION, TENANT
from tests.azure.machine import ROOT, Machine

#: What `make` leaves for the commands that it runs, and a runner does not have.
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "ARGS")
_SET_UP = (".venv", ".cache", "webapp/node_modules", "webapp/dist", "examples/node/node_modules", "examples/playwright/node_modules")  # fmt: skip


class Expressions:
    """GitHub's own parser and evaluator, in a process of Node."""

    def __init__(self, packages: Path) -> None:
        command = ["node", str(Path(__file__).with_name("workflow.mjs")), str(packages)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def workflow(self, path: Path) -> dict[str, Any]:
        """A workflow, in which an expression is `{"expression": …}`."""
        read = self._ask(content=path.read_text(encoding="utf-8"))
        assert read["errors"] == []
        return read

    def holds(self, expression: str, contexts: Mapping[str, Any], status: str = "success") -> bool:
        """Whether a condition is true after steps with that status."""
        return bool(self._ask(expression=expression, contexts=contexts, status=status)["truth"])

    def text(self, expression: str, contexts: Mapping[str, Any]) -> str:
        """The value of an expression, as text."""
        return str(self._ask(expression=expression, contexts=contexts, status="success")["text"])

    def filled(self, value: Any, contexts: Mapping[str, Any]) -> Any:
        """A part of a workflow with the values of its expressions."""
        if isinstance(value, dict):
            if value.keys() == {"expression"}:
                return self.text(value["expression"], contexts)
            return {key: self.filled(each, contexts) for key, each in value.items()}
        return value


@dataclass
class Run:
    """The steps of a run by job: each command and its output, up to the first that failed; `group` is its concurrency."""

    steps: list[tuple[str, str, str]] = field(default_factory=list)
    failed: bool = False
    summary: str = ""
    group: str = ""

    @property
    def commands(self) -> list[str]:
        return [f"{job}: {command}" for job, command, _ in self.steps]

    @property
    def output(self) -> str:
        return "\n".join(output for *_, output in self.steps)

    @property
    def notices(self) -> list[str]:
        """What the run's page shows. Source: GitHub's reference of workflow commands."""
        return re.findall(r"^::notice title=[^:]+::(.+)$", self.output, re.MULTILINE)


class Job:
    """A new machine with a checkout; `not_run` is a pattern of commands that are only written down."""

    def __init__(self, machine: Machine, folder: Path, run: Run, name: str, not_run: str) -> None:
        self.folder, self.name, self.run, self.machine, self._not_run = folder, name, run, machine, not_run
        (folder / "it").mkdir(parents=True)
        inherited = {key: value for key, value in machine.environment.items() if key not in _OF_MAKE}
        self.environment = {**inherited, "AZURE_CONFIG_DIR": str(folder / "az")}
        self.failed = False

    def checkout(self, _: Mapping[str, str]) -> None:
        """What is in the repository, as it is here, and set up already."""
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        for name in filter(lambda name: (ROOT / name).is_file(), names):
            (self.folder / "it" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / "it" / name)
        for name in _SET_UP:
            (self.folder / "it" / name).symlink_to(ROOT / name)

    def python(self, given: Mapping[str, str]) -> None:
        """The interpreters of some versions, before all others."""
        for version in (given.get("python-version") or given["versionSpec"]).split():
            find = [sys.executable, "tools/setup_environment.py", "--find", version]
            found = subprocess.run(find, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            self.environment["PATH"] = f"{Path(found).parent}{os.pathsep}{self.environment['PATH']}"

    def nothing(self, _: Mapping[str, str]) -> None:
        """What makes no difference here: Node is on this machine, and results are not kept."""

    def execute(self, shell: tuple[str, ...], command: str, environment: Mapping[str, str]) -> None:
        """Run a command as a file of a shell's."""
        output, status = "", 0
        if not re.match(self._not_run or "$", command):
            (script := self.folder / "script.sh").write_text(command + "\n", encoding="utf-8")
            process = subprocess.run(
                [*shell, str(script)], cwd=self.folder / "it", env={**self.environment, **environment}, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, timeout=600,
            )  # fmt: skip
            output, status = process.stdout, process.returncode
        self.run.steps.append((self.name, command, output))
        if status:
            self.failed = self.run.failed = True


#: In place of each action and task that a pipeline may use; another one ends the walk.
EQUIVALENTS: Mapping[str, Callable[[Job, Mapping[str, str]], None]] = {
    "actions/checkout": Job.checkout,
    "actions/setup-python": Job.python,
    "actions/setup-node": Job.nothing,
    "actions/upload-artifact": Job.nothing,
    "UsePythonVersion@0": Job.python,
    "UseNode@1": Job.nothing,
    "PublishTestResults@2": Job.nothing,
}
#: Of a step on GitHub. Source: its workflow syntax, `defaults.run.shell`.
SHELLS = {"": ("bash", "-e"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}


@dataclass
class GitHub:
    """A repository on GitHub: its variables, its environments with theirs, and its secrets."""

    machine: Machine
    expressions: Expressions
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    NAME, SUBJECT = "octo/chat", "repo:octo@1/chat@2"

    def run(self, workflow: str, event: str, payload: Mapping[str, Any], not_run: str = "") -> Run:
        """A run of a workflow, if the event starts one."""
        read, run = self.expressions.workflow(ROOT / ".github" / "workflows" / f"{workflow}.yml"), Run()
        if not _starts(read["on"], event, payload):
            return run
        github = {"event_name": event, "event": payload, "repository": self.NAME, **payload.get("refs", {})}
        declared = (read["on"].get(event) or {}).get("inputs", {})
        inputs = {name: payload.get("inputs", {}).get(name, each.get("default", "")) for name, each in declared.items()}
        assert all(inputs[name] in each.get("options", [inputs[name]]) for name, each in declared.items())
        contexts = {"github": github, "inputs": inputs, "vars": self.variables}
        run.group = self.expressions.filled(read["concurrency"]["group"], contexts)
        for name, job in read["jobs"].items():
            assert "needs" not in job, "jobs that wait for others are not walked"
            if self.expressions.holds(job["if"], contexts):
                for matrix in _combinations(job):
                    self._job(run, name, job, {**contexts, "matrix": matrix}, not_run)
        return run

    def _job(self, run: Run, name: str, job: Mapping[str, Any], contexts: dict[str, Any], not_run: str) -> None:
        folder = self.folder / f"github-{len(list(self.folder.iterdir()))}"
        walked = Job(self.machine, folder, run, name, not_run)
        environment = self.expressions.filled(job.get("environment", ""), contexts)
        head = contexts["github"]["event"].get("pull_request", {}).get("head", {}).get("repo", {})
        trusted = head.get("full_name", self.NAME) == self.NAME  # a fork's run gets no secrets and no token
        contexts["vars"] = {**self.variables, **self.environments.get(environment, {})}
        contexts["secrets"] = self.secrets if trusted else {}
        files = {name: folder / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")}
        for file in files.values():
            file.touch()
        walked.environment |= {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            **{key: str(file) for key, file in files.items()},
        }
        if trusted and job["permissions"].get("id-token") == "write":
            where = f"environment:{environment}" if environment else f"ref:{contexts['github']['ref']}"
            walked.environment |= self.machine.directory.run(f"{self.SUBJECT}:{where}")
        walked.environment |= self.expressions.filled(job.get("env", {}), contexts)
        for step in job["steps"]:
            if self.expressions.holds(step["if"], contexts, "failure" if walked.failed else "success"):
                self._step(walked, job, step, contexts)
        run.summary += files.pop("GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
        assert [name for name, file in files.items() if file.read_text()] == [], "what a step sets is not walked"

    def _step(self, walked: Job, job: Mapping[str, Any], step: Mapping[str, Any], contexts: Mapping[str, Any]) -> None:
        if "uses" in step:
            EQUIVALENTS[step["uses"].partition("@")[0]](walked, self.expressions.filled(step.get("with", {}), contexts))
        else:
            self.machine.directory.expire()  # the steps before may have taken ten minutes
            shell = step.get("shell", job.get("defaults", {}).get("run", {}).get("shell", ""))
            environment = self.expressions.filled(step.get("env", {}), contexts)
            walked.execute(SHELLS[shell], self.expressions.filled(step["run"], contexts), environment)


def _starts(on: Mapping[str, Any], event: str, payload: Mapping[str, Any]) -> bool:
    """Whether an event starts a workflow. Source: GitHub's reference of events."""
    if event not in on:
        return False
    types = on[event].get("types", ["opened", "synchronize", "reopened"])
    branch = payload.get("refs", {}).get("ref", "").removeprefix("refs/heads/")
    return (event != "pull_request" or payload["action"] in types) and branch in on[event].get("branches", [branch])


def _combinations(job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    matrix = job.get("strategy", {}).get("matrix", {})
    for values in itertools.product(*matrix.values()):
        yield dict(zip(matrix, values, strict=True))


class InvalidError(Exception):
    """Azure Pipelines does not begin."""


@dataclass
class AzurePipelines:
    """A project: the variables of its pipeline, its environments, and its service connections by name, each with the app id
    and the subject of its workload identity federation."""

    machine: Machine
    expressions: Expressions
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    environments: set[str] = field(default_factory=set)
    connections: dict[str, tuple[str, str]] = field(default_factory=dict)

    ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"

    def run(self, not_run: str, **parameters: str) -> Run:
        """A run with parameters; the others have their defaults."""
        read, run = yaml.safe_load((ROOT / "azure-pipelines.yml").read_text(encoding="utf-8")), Run()
        given = {each["name"]: parameters.get(each["name"], each["default"]) for each in read["parameters"]}
        assert all(given[each["name"]] in each.get("values", [given[each["name"]]]) for each in read["parameters"])
        expanded = self._expanded(read["stages"], {"parameters": given})
        self._check(expanded)
        for job in (job for stage in expanded for job in stage["jobs"]):
            if not run.failed:  # each stage waits for the one before
                self._jobs(run, job, not_run)
        return run

    def _expanded(self, value: Any, contexts: Mapping[str, Any]) -> Any:
        """A part of the file after its template expressions."""
        if isinstance(value, str):
            return re.sub(r"\$\{\{(.+?)\}\}", lambda found: self.expressions.text(found[1], contexts), value)
        if isinstance(value, dict):
            return {key: self._expanded(each, contexts) for key, each in value.items()}
        if not isinstance(value, list):
            return value
        items = []
        for item in value:
            key = next(iter(item)) if isinstance(item, dict) else ""
            if not (condition := re.fullmatch(r"\$\{\{ *if (.+)\}\}", key)):
                items.append(self._expanded(item, contexts))
            elif self.expressions.holds(condition[1], contexts):
                items += self._expanded(item[key], contexts)
        return items

    def _check(self, expanded: Any) -> None:
        """Source: Azure Pipelines asks for what a run names before it begins."""
        named = json.dumps(expanded)
        for kind, pattern, known in (
            ("environment", r'"environment": "(.+?)"', self.environments),
            ("service connection", r'"azureSubscription": "(.+?)"', self.connections.keys()),
        ):
            if missing := set(re.findall(pattern, named)) - known:
                raise InvalidError(f"The pipeline references the {kind} {', '.join(missing)} which could not be found.")

    def _jobs(self, run: Run, job: Mapping[str, Any], not_run: str) -> None:
        strategy = job.get("strategy", {})
        for name, matrix in strategy.get("matrix", {"": {}}).items():
            folder = self.folder / f"azure-{len(list(self.folder.iterdir()))}"
            walked = Job(self.machine, folder, run, job.get("job") or job["deployment"], not_run)
            variables = {**self.variables, **matrix}
            walked.environment |= {"TF_BUILD": "True", **{key.upper(): value for key, value in matrix.items()}}
            if "job" in job:
                walked.checkout({})  # a deployment has none of its own
            del name
            for step in job.get("steps") or strategy["runOnce"]["deploy"]["steps"]:
                if not walked.failed or step.get("condition") == "always()":
                    self._step(walked, _substituted(step, variables))

    def _step(self, walked: Job, step: Mapping[str, Any]) -> None:
        if step.get("checkout") == "self":
            walked.checkout({})
        elif "script" in step:  # no -e here
            walked.execute(("bash", "--noprofile", "--norc"), step["script"], step.get("env", {}))
        elif step["task"] == "AzureCLI@2":
            self._azure_cli(walked, step["inputs"], step.get("env", {}))
        else:
            EQUIVALENTS[step["task"]](walked, step["inputs"])

    def _azure_cli(self, walked: Job, inputs: Mapping[str, str], environment: Mapping[str, str]) -> None:
        """Source: microsoft/azure-pipelines-tasks, AzureCLIV2: a session of its own, that ends with the script."""
        app_id, subject = self.connections[inputs["azureSubscription"]]
        assertion = self.machine.directory.issue(self.ISSUER, subject)
        login = ("login", "--service-principal", "-u", app_id, "--tenant", TENANT, "--allow-no-subscriptions")
        for words in ((*login, "--federated-token", assertion), ("account", "set", "--subscription", SUBSCRIPTION)):
            az = shutil.which("az", path=walked.environment["PATH"]) or "az"
            done = subprocess.run([az, *words], env=walked.environment, capture_output=True, text=True, check=False)
            if done.returncode:
                walked.run.steps.append((walked.name, f"AzureCLI@2: az {words[0]}", done.stderr))
                walked.failed = walked.run.failed = True
                return
        assert (inputs["scriptType"], inputs["scriptLocation"]) == ("bash", "inlineScript")
        if inputs.get("keepAzSessionActive") != "True":
            self.machine.directory.expire()
        walked.execute(("bash",), inputs["inlineScript"], environment)
        shutil.rmtree(walked.environment["AZURE_CONFIG_DIR"])


def _substituted(value: Any, variables: Mapping[str, str]) -> Any:
    """A step with the values of its macros. Source: what has no value stays as it is written."""
    if isinstance(value, dict):
        return {key: _substituted(each, variables) for key, each in value.items()}
    return re.sub(r"\$\((\w+)\)", lambda found: variables.get(found[1], found[0]), str(value))
