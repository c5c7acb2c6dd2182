"""`python -m infra`: check the template, look before deploying, deploy, verify, remove."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import click

from infra import deploy as deploying
from infra.azure import Azure, AzureError, command_line
from infra.check import combinations, mistakes
from infra.deploy import DeployError
from infra.expressions import TemplateError
from infra.forms import FORMS, links, written
from infra.plan import Choice, described, group_of, parameters_of, parsed, wanted
from infra.preflight import Looked, Requirements, preflight
from infra.ranges import MOST_RULES, RangesError, ranges_of
from infra.sign_in import sign_in
from infra.template import BACKENDS, TOPOLOGIES, read
from infra.verify import PROPAGATION_S, Target
from infra.verify import verify as verified

_NOT_ALL = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """From here to Azure."""


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of ours as one message and exit status 1."""
    try:
        yield
    except (TemplateError, DeployError, AzureError, RangesError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
def check() -> None:
    """Look for what Azure would refuse in the template, offline, and list what it makes."""
    with _explained():
        template = read()
        found = mistakes(template)
        for each in found:
            click.echo(each)
        if found:
            raise click.ClickException(f"{len(found)} mistakes in infra/azuredeploy.json")
        for name, made in combinations(template):
            click.echo(f"{name:<28} {len(made.resources)} resources")


@main.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("tag")
def ranges(path: Path, tag: str) -> None:
    """Print the IPv4 ranges of a service tag, such as AppService.SwedenCentral, as JSON for --set modelIpRanges=…"""
    with _explained():
        found = ranges_of(path, tag)
    click.echo(json.dumps(found))
    if len(found) > MOST_RULES:
        raise click.ClickException(f"{len(found)} ranges, and Azure OpenAI takes {MOST_RULES}: choose a narrower tag")


@main.command()
@click.option(
    "--repository", metavar="OWNER/NAME", help="Print the portal's addresses for this public GitHub repository."
)
def forms(repository: str | None) -> None:
    """Write the portal's forms, infra/forms, anew from the template."""
    FORMS.mkdir(exist_ok=True)
    for name, text in written().items():
        (FORMS / name).write_text(text, encoding="utf-8")
    for backend, address in links(repository).items() if repository else ():
        click.echo(f"{backend}  {address}")


def _choosing(command: Any) -> Any:
    """The options that say what shall be deployed."""
    for option in (
        click.option(
            "--env",
            "environment",
            default="test",
            help="What it is for; its resource group is chat-ENV. Default: test.",
        ),
        click.option(
            "--topology",
            type=click.Choice(TOPOLOGIES),
            help="How the page reaches the API. Default: as deployed, or managed.",
        ),
        click.option(
            "--backend",
            type=click.Choice(BACKENDS),
            help="Which model is asked. Default: as deployed, or newAzureOpenAI.",
        ),
        click.option(
            "--name", help="What everything is named after. Default: as deployed, or of ENV and the subscription."
        ),
        click.option(
            "--set", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of infra/azuredeploy.json."
        ),
    ):
        command = option(command)
    return command


def _look(azure: Azure, options: Mapping[str, Any]) -> tuple[Requirements, dict[str, Any], Looked]:
    """What shall be deployed, its parameters, and what stands in the way."""
    given = dict(map(parsed, options["given"]))
    choice = Choice(options["environment"], options["topology"], options["backend"], options["name"], given)
    there = deploying.there(azure, choice.group)
    parameters = parameters_of(choice, there, os.environ)
    subject = wanted(parameters, choice.group, date.today(), there.parameters)
    return subject, parameters, preflight(azure, subject)


def _tell(looked: Looked) -> None:
    """The findings, each with its fix."""
    for each in sorted(looked.findings, key=lambda each: each.to_know):
        mark = click.style("! ", fg="yellow") if each.to_know else click.style("x ", fg="red")
        click.echo(f"{mark}{each.what}\n    {each.fix}")
    for unseen in looked.unseen:
        click.echo(f"{click.style('? ', fg='yellow')}not looked at: {unseen}")
    wrong = sum(not each.to_know for each in looked.findings)
    to_know = len(looked.findings) - wrong
    click.echo(
        f"preflight  {looked.looked_at} things looked at, {wrong} to mend, {to_know} to know, {len(looked.unseen)} not looked at"
    )


@main.command(name="preflight")
@_choosing
def preflight_command(**options: Any) -> None:
    """Look for everything that would keep a deployment from working; nothing is changed."""
    with _explained():
        _, _, looked = _look(command_line(), options)
    _tell(looked)
    if not looked.ready or looked.unseen:
        sys.exit(_NOT_ALL if looked.ready else 1)


@main.command()
@_choosing
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do none of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", default=PROPAGATION_S, help="Seconds that roles and new functions are waited for.")
def deploy(dry_run: bool, yes: bool, wait: int, **options: Any) -> None:
    """Deploy the app: the resources, the page and the API; again after every change."""
    azure = command_line()
    with _explained():
        subject, parameters, looked = _look(azure, options)
        topology = subject.parameter("topology")
        click.echo(
            f"deploy     {options['environment']}: {topology}, {subject.parameter('backend')}, to the resource group {subject.group}"
        )
        rows = list(described(subject.made))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            click.echo(f"           {'  '.join(cells)}".rstrip())
        click.echo(
            "           list prices in US dollars of November 2026, not asked for: https://azure.microsoft.com/pricing/calculator"
        )
        _tell(looked)
        if not looked.ready:
            raise click.ClickException("nothing was changed: mend what preflight found, then again")
        changed = deploying.changes(azure, subject.group, parameters)
        click.echo("\n".join(f"           {each}" for each in changed) or "           all of it is new")
        click.echo(f"then       build the page and the API, upload both, verify for up to {wait} s")
        if dry_run:
            click.echo("nothing was changed (--dry-run)")
            return
        if not yes:
            click.confirm("Deploy?", abort=True)
        deployed = deploying.deploy_resources(azure, subject.group, parameters)
        with tempfile.TemporaryDirectory() as folder:
            built, run = deploying.Built(Path(folder)), deploying.run_command
            deploying.build(run, built, topology, deployed.direct_url)
            deploying.upload(azure, run, subject.group, built, deployed)
        click.echo(deployed.site_url)
        if role := subject.parameter("requiredRole"):
            click.echo(
                f"invite     az staticwebapp users invite --name {deployed.site_name} --resource-group {subject.group} "
                f"--domain {deployed.site_url.removeprefix('https://')} --authentication-provider aad "
                f"--user-details YOU@EXAMPLE.COM --role {role} --invitation-expiration-in-hours 24"
            )
    _verify(Target(deployed.site_url, os.environ.get("SITE_SESSION", "")), wait, without_session=True)
    click.echo(
        f"one answer too, with your session in SITE_SESSION: make verify URL={deployed.site_url} WAIT={PROPAGATION_S}"
    )


@main.command()
@click.argument("url")
@click.option(
    "--wait", default=0, help="Seconds to wait for what may mend itself, such as a role that does not count yet."
)
@click.option("--without-session", is_flag=True, help="Be content with what can be seen without signing in.")
def verify(url: str, wait: int, without_session: bool) -> None:
    """Whether a deployed app works, and what is wrong if not; with a session's cookie in SITE_SESSION, one answer too.

    Exit status 0: all of it works; 1: something does not; 3: it works as far as can be seen without a session.
    """
    if "://" not in url:
        url = f"https://{url}"
    _verify(Target(url.rstrip("/"), os.environ.get("SITE_SESSION", "")), wait, without_session=without_session)


def _verify(target: Target, wait_s: float, *, without_session: bool) -> None:
    for result in verified(target, wait_s=wait_s):
        mark = click.style("ok", fg="green") if result.ok else click.style("x ", fg="red")
        click.echo(f"{mark} {result.name:<7} {result.said}" + (f"\n           {result.fix}" if result.fix else ""))
        if not result.ok:
            sys.exit(1)
    if not target.session and not without_session:
        click.echo(
            "?  answer  not asked for: sign in in a browser, and put its cookie StaticWebAppsAuthCookie into SITE_SESSION"
        )
        sys.exit(_NOT_ALL)


@main.command()
@click.option("--env", "environment", default="test", help="Beside whose site. Default: test.")
@click.option("--as", "name", required=True, help="The preview's name, letters and digits.")
@click.option("--remove", is_flag=True, help="Take it away.")
def preview(environment: str, name: str, remove: bool) -> None:
    """Show this checkout's page and managed functions on an address of their own, beside an environment's site."""
    if not name.isalnum():
        raise click.UsageError(f"{name!r}: a preview is named with letters and digits")
    azure, group = command_line(), group_of(environment)
    with _explained():
        if remove:
            deploying.remove_preview(azure, group, name)
        else:
            click.echo(deploying.preview(azure, deploying.run_command, group, name))


@main.command(name="sign-in")
def sign_in_command() -> None:
    """Sign in to Azure in a pipeline of GitHub's, without a secret."""
    with _explained():
        sign_in(command_line(), os.environ)


@main.command()
@click.option("--env", "environment", default="test", help="Whose resource group, chat-ENV, is removed. Default: test.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(environment: str, yes: bool) -> None:
    """Remove an environment: list what it has, ask, delete it all, and purge what would hold its name."""
    azure, group = command_line(), group_of(environment)
    with _explained():
        resources = deploying.in_group(azure, group)
        for each in resources:
            click.echo(f"{each['type']:<60} {each['name']}")
        purged = deploying.purged(resources)
        click.echo(
            f"{len(resources)} resources in {group}" + (f"; {', '.join(purged)} will be purged too" if purged else "")
        )
        if not yes and click.prompt(f"To delete all of it for good, type {group}") != group:
            raise click.ClickException("nothing was deleted")
        deploying.remove(azure, group, resources)
    click.echo(f"{group} is gone")


if __name__ == "__main__":
    main(prog_name="python -m infra")
