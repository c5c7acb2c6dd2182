"""The official CLI's own source reads the same layouts: the same configuration is found, the same command run.

npm install --prefix FOLDER --ignore-scripts --omit=optional @azure/static-web-apps-cli@2.0.10; SWA_CLI=FOLDER
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mockserver.swa.config import FILE_NAME
from mockserver.swa.config_file import find_configs
from mockserver.swa.swa_cli_config import SwaCliConfig, read_swa_cli_config, startup_command

CLI = os.environ.get("SWA_CLI", "")
LAYOUTS = int(os.environ.get("SWA_CLI_LAYOUTS", "300"))
pytestmark = pytest.mark.skipif(not CLI, reason="SWA_CLI names no folder with the official CLI")

#: Asks the CLI's own functions: what `swa start` does with a project, without starting anything.
SCRIPT = """
import fs from "node:fs";
import path from "node:path";
const core = (name) => import(process.argv[2] + "/node_modules/@azure/static-web-apps-cli/dist/core/utils/" + name + ".js");
const { findSWAConfigFile } = await core("user-config");
const { getConfigFileOptions } = await core("cli-config");
const { createStartupScriptCommand } = await core("cli");
console.log = console.warn = console.error = () => {};
const results = [];
for (const project of JSON.parse(fs.readFileSync(process.argv[3], "utf8"))) {
  process.chdir(project);
  const all = await getConfigFileOptions(undefined, "swa-cli.config.json");
  const options = { appLocation: ".", outputLocation: ".", ...all, ...(all.start ?? {}) };
  const app = path.resolve(options.appLocation);
  const output = path.resolve(app, options.outputLocation);
  const found = await findSWAConfigFile(path.resolve(options.swaConfigLocation || app)).catch(() => null);
  results.push({
    app: options.appDevserverUrl || (fs.existsSync(output) ? output : path.resolve(options.outputLocation)),
    config: found ? found.filepath : null,
    run: options.run ? createStartupScriptCommand(options.run, { appLocation: app }) : null,
    runIn: app,
    api: options.apiDevserverUrl || (options.apiLocation && fs.existsSync(path.resolve(options.apiLocation)) ? "folder" : null),
  });
}
fs.writeFileSync(process.argv[4], JSON.stringify(results));
process.exit(0);
"""

PLACES = [
    ".",
    "client",
    "client/public",
    "client/dist",
    "web",
    "web/public/deep",
    "api",
    "node_modules/x",
    ".github",
    "Zed",
    "z",
]
RUNS = [
    "npm start",
    "npm:dev",
    "yarn:dev:hot",
    "npx:vite",
    "npm run dev:hot",
    "npm run dev",
    "ng serve --port 1:2",
    "start.sh",
    "node server.js",
]


def layout(root: Path, chance: random.Random) -> None:
    """A project as people have them, with configurations in odd places."""
    for place in chance.sample(PLACES, chance.randint(2, 6)):
        (root / place).mkdir(parents=True, exist_ok=True)
        for name in chance.sample(
            [FILE_NAME, "routes.json", "staticwebapps.config.json", "start.sh"], chance.randint(0, 2)
        ):
            (root / place / name).write_text("{}")
    locations = [".", "client", "./client", "web", "nowhere"]
    entry: dict[str, Any] = {}
    for key, values in {
        "appLocation": locations, "outputLocation": [".", "dist", "public", "client/dist", "nowhere"],
        "swaConfigLocation": [*locations, "client/public"], "run": RUNS, "apiLocation": ["api", "functions"],
        "appDevserverUrl": ["http://localhost:3000"], "apiDevserverUrl": ["http://localhost:7072"], "verbose": ["silly"],
    }.items():  # fmt: skip
        if chance.random() < 0.45:
            entry[key] = chance.choice(values)
    if chance.random() < 0.3:
        entry["start"] = {"outputLocation": "client/dist", "run": chance.choice(RUNS)}
    configurations = {"first": entry, **({"second": {"appLocation": "web"}} if chance.random() < 0.3 else {})}
    (root / "swa-cli.config.json").write_text(json.dumps({"configurations": configurations}))


def as_cli(root: Path) -> dict[str, Any]:
    read: SwaCliConfig = read_swa_cli_config(root / "swa-cli.config.json")
    assert read.search is not None
    assert read.run_in is not None
    found = find_configs(read.search)
    return {
        "app": read.app if isinstance(read.app, str) else str(read.app.resolve()),
        "config": str(found[-1].resolve()) if found else None,
        "run": read.run,
        "runIn": str(read.run_in.resolve()),
        "api": None if read.api_url is None else "folder" if read.api_url.endswith(":7071") else read.api_url,
    }


def test_projects_are_read_as_the_official_cli_reads_them(tmp_path: Path) -> None:
    projects = [tmp_path / f"project {number}" for number in range(LAYOUTS)]
    for number, project in enumerate(projects):
        project.mkdir()
        layout(project, random.Random(number))
    (tmp_path / "script.mjs").write_text(SCRIPT)
    (tmp_path / "projects.json").write_text(json.dumps([str(project.resolve()) for project in projects]))
    arguments = [str(Path(CLI).resolve()), str(tmp_path / "projects.json"), str(tmp_path / "results.json")]
    subprocess.run(["node", str(tmp_path / "script.mjs"), *arguments], check=True, capture_output=True, timeout=120)
    theirs = json.loads((tmp_path / "results.json").read_text())
    unlike = [
        (project.name, {key: (ours[key], their[key]) for key in their if ours[key] != their[key]})
        for project, their in zip(projects, theirs, strict=True)
        if (ours := as_cli(project)) != their
    ]
    assert unlike == []
    assert sum(their["config"] is not None for their in theirs) > LAYOUTS // 4


@pytest.mark.parametrize("run", RUNS)
def test_every_shortcut_is_tried(run: str, tmp_path: Path) -> None:
    assert startup_command(run, tmp_path) is not None or ":" in run
