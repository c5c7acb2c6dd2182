"""`python -m infra`: check the template, run preflight checks, deploy, verify, remove."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from infra import deploy as deploying
from infra import removal
from infra.azure import Azure, AzureError, command_line
from infra.check import combinations, template_errors
from infra.consequences import consequences
from infra.deploy import DeployError
from infra.expected import EXPECTED, deployment_files
from infra.expressions import TemplateError
from infra.findings import Finding, PreflightReport
from infra.forms import FORMS, form_files, links
from infra.kept import kept_secrets
from infra.plan import Choice, DeploymentPlan, group_of, make_plan, parse_parameter, resolve_parameters, resource_rows
from infra.preflight import preflight
from infra.ranges import MAX_RANGES, RangesError, caution, ranges_of
from infra.sign_in import sign_in
from infra.template import BACKENDS, TOPOLOGIES, read
from infra.verify import PROPAGATION_S, REFUSES, Target
from infra.verify import verify as verification

#: Exit status where nothing failed but something could not be checked.
_INCOMPLETE = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Deploy the app to Azure."""


@contextmanager
def _errors_as_messages() -> Iterator[None]:
    """Show our own errors as a message, without a traceback, and exit with status 1."""
    try:
        yield
    except (TemplateError, DeployError, AzureError, RangesError) as error:
        raise click.ClickException(str(error)) from error


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@main.command()
def check() -> None:
    """Check the template offline for what Azure would refuse, and count its resources."""
    with _errors_as_messages():
        template = read()
        errors = template_errors(template)
        for error in errors:
            click.echo(error)
        if errors:
            raise click.ClickException(f"{_count(len(errors), 'error')} in infra/azuredeploy.json")
        for name, deployment in combinations(template):
            click.echo(f"{name:<28} {len(deployment.resources)} resources")


@main.command()
def expected() -> None:
    """Write what each combination creates to tests/unit/expected/deployments, to review as a diff."""
    with _errors_as_messages():
        files = deployment_files()
    EXPECTED.mkdir(parents=True, exist_ok=True)
    for path in set(EXPECTED.iterdir()) - {EXPECTED / name for name in files}:
        path.unlink()
    for name, text in files.items():
        (EXPECTED / name).write_text(text, encoding="utf-8")


@main.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("tag")
def ranges(path: Path, tag: str) -> None:
    """Print the IPv4 ranges of a service tag, such as AzureCloud.swedencentral, as JSON for --set modelIpRanges=…

    Microsoft names AzureCloud.REGION for calls from Functions, and AppService.REGION for calls to apps. That a tag has all
    addresses of an app on Flex Consumption is unproved; an app outside the ranges cannot reach the model. Azure OpenAI
    allows 200 ranges.
    """
    with _errors_as_messages():
        tag_ranges = ranges_of(path, tag)
    if len(tag_ranges) > MAX_RANGES:
        raise click.ClickException(
            f"{len(tag_ranges)} ranges, but Azure OpenAI allows at most {MAX_RANGES}: the tag cannot be used, docs/access.md"
        )
    click.echo(json.dumps(tag_ranges))
    click.echo(f"{len(tag_ranges)} of the {MAX_RANGES} ranges that Azure OpenAI allows\n{caution(tag)}", err=True)


@main.command()
@click.option(
    "--repository", metavar="OWNER/NAME", help="Also print the portal links for this public GitHub repository."
)
def forms(repository: str | None) -> None:
    """Generate the portal's forms in infra/forms from the template."""
    FORMS.mkdir(exist_ok=True)
    for name, text in form_files().items():
        (FORMS / name).write_text(text, encoding="utf-8")
    for backend, address in links(repository).items() if repository else ():
        click.echo(f"{backend}  {address}")


def _deployment_options(command: Any) -> Any:
    """Add the options that say what to deploy."""
    for option in (
        click.option(
            "--env",
            "environment",
            default="test",
            help="The environment; its resource group is chat-ENV. Default: test.",
        ),
        click.option(
            "--topology",
            type=click.Choice(TOPOLOGIES),
            help="How the page reaches the API. Default: as deployed, or managed.",
        ),
        click.option(
            "--backend",
            type=click.Choice(BACKENDS),
            help="Where the model is. Default: as deployed, or newAzureOpenAI.",
        ),
        click.option(
            "--name",
            help="The beginning of every resource's name. Default: as deployed, or from ENV and the subscription.",
        ),
        click.option(
            "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A parameter of infra/azuredeploy.json."
        ),
    ):
        command = option(command)
    return command


def _preflight(azure: Azure, options: Mapping[str, Any]) -> tuple[DeploymentPlan, dict[str, Any], PreflightReport]:
    """The plan, its parameters, and the report about it."""
    assignments = dict(map(parse_parameter, options["assignments"]))
    choice = Choice(options["environment"], options["topology"], options["backend"], options["name"], assignments)
    existing = deploying.find_existing(azure, choice.group)
    parameters = resolve_parameters(choice, existing, os.environ)
    kept = kept_secrets(azure, choice.group, parameters, existing)
    parameters |= {name: value for name, value in kept.items() if value}
    plan = make_plan(parameters, choice.group, date.today(), existing.parameters, kept)
    report = preflight(azure, plan)
    if existing.unread and report.ready:  # else everything that was chosen before would be replaced by defaults
        what = f"what is deployed in {choice.group} cannot be read: {existing.unread}"
        fix = f"ask for the role Contributor on the group {choice.group}, or try again"
        report = replace(report, findings=(*report.findings, Finding(what, fix)))
    return plan, parameters, report


def _print_report(report: PreflightReport) -> None:
    for finding in sorted(report.findings, key=lambda finding: finding.warning):
        mark = click.style("! ", fg="yellow") if finding.warning else click.style("x ", fg="red")
        click.echo(f"{mark}{finding.what}\n    {finding.fix}")
    for check_and_reason in report.skipped:
        click.echo(f"{click.style('? ', fg='yellow')}not checked: {check_and_reason}")
    warnings = sum(finding.warning for finding in report.findings)
    errors = len(report.findings) - warnings
    click.echo(
        f"preflight  {_count(report.checks, 'check')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}; "
        f"{len(report.skipped)} not checked"
    )


@main.command(name="preflight")
@_deployment_options
def preflight_command(**options: Any) -> None:
    """Check everything that could make a deployment fail; nothing is changed."""
    with _errors_as_messages():
        _, _, report = _preflight(command_line(), options)
    _print_report(report)
    if not report.ready:
        sys.exit(1)
    if report.skipped:
        sys.exit(_INCOMPLETE)


@main.command()
@_deployment_options
@click.option("--dry-run", is_flag=True, help="Print what would be done, but change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--wait", default=PROPAGATION_S, help="Seconds to wait for new roles and functions.")
def deploy(dry_run: bool, yes: bool, wait: int, **options: Any) -> None:
    """Deploy the app: the resources, the page and the API. Run it again after every change."""
    azure = command_line()
    with _errors_as_messages():
        plan, parameters, report = _preflight(azure, options)
        _print_plan(plan, options["environment"], report.subscription)
        _print_report(report)
        if not report.ready:
            raise click.ClickException("nothing was changed: fix the errors above and try again")
        changes = deploying.changes(azure, plan.group, parameters)
        click.echo("\n".join(f"           {change}" for change in changes))
        click.echo(f"then       build the page and the API, upload both, verify for up to {wait} s")
        if dry_run:
            click.echo("nothing was changed (--dry-run)")
            return
        if not yes:
            click.confirm("Deploy?", abort=True)
        deployed = deploying.deploy_resources(azure, plan.group, parameters)
        with tempfile.TemporaryDirectory() as folder:
            output, run = deploying.BuildOutput(Path(folder)), deploying.run_command
            ranges = plan.parameter("siteIpRanges")
            deploying.build(run, output, plan.parameter("topology"), deployed.direct_url, ranges)
            deploying.upload(azure, run, plan.group, output, deployed)
        click.echo(deployed.site_url)
        if role := plan.parameter("requiredRole"):
            click.echo(
                f"invite     az staticwebapp users invite --name {deployed.site_name} --resource-group {plan.group} "
                f"--domain {deployed.site_url.removeprefix('https://')} --authentication-provider aad "
                f"--user-details YOU@EXAMPLE.COM --role {role} --invitation-expiration-in-hours 24"
            )
    target = Target(deployed.site_url, os.environ.get("SITE_SESSION", ""))
    _print_verification(target, wait, without_session=True, only_some=bool(ranges))
    click.echo(
        "to check one answer too, set SITE_SESSION to your session's cookie: "
        f"make verify URL={deployed.site_url} WAIT={PROPAGATION_S}"
    )


def _print_plan(plan: DeploymentPlan, environment: str, subscription: str) -> None:
    topology, backend = plan.parameter("topology"), plan.parameter("backend")
    where = f" of the subscription {subscription}" if subscription else ""
    click.echo(f"deploy     {environment}: {topology}, {backend}, to the resource group {plan.group}{where}")
    rows = list(resource_rows(plan.deployment))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(f"           {'  '.join(cells)}".rstrip())
    for word, meaning in consequences(plan):
        click.echo(f"{word:<10} {meaning}")
    click.echo(
        "           list prices in US dollars of November 2026, not queried: https://azure.microsoft.com/pricing/calculator"
    )


@main.command()
@click.argument("url")
@click.option(
    "--wait",
    default=0,
    help="Seconds to wait for problems that may disappear, such as a role that is not in effect yet.",
)
@click.option("--without-session", is_flag=True, help="Check only what is visible without signing in.")
def verify(url: str, wait: int, without_session: bool) -> None:
    """Check a deployed app, and name the problem and its fix; with a session's cookie in SITE_SESSION, also one answer.

    Exit status 0: everything works; 1: something does not; 3: everything works that can be checked without a session.
    """
    if "://" not in url:
        url = f"https://{url}"
    target = Target(url.rstrip("/"), os.environ.get("SITE_SESSION", ""))
    _print_verification(target, wait, without_session=without_session)


def _print_verification(target: Target, wait_s: float, *, without_session: bool, only_some: bool = False) -> None:
    """Print each result; the first failure ends the program. Only some addresses may open the site: perhaps not this one."""
    for result in verification(target, wait_s=wait_s):
        if only_some and result.message == REFUSES:
            click.echo(
                f"?  {result.name:<7} not checked: {REFUSES}, as its ranges say; make verify from an address of those"
            )
            return
        mark = click.style("ok", fg="green") if result.ok else click.style("x ", fg="red")
        fix = f"\n           {result.fix}" if result.fix else ""
        click.echo(f"{mark} {result.name:<7} {result.message}{fix}")
        if not result.ok:
            sys.exit(1)
    if not target.session and not without_session:
        click.echo(
            "?  answer  not checked: sign in in a browser, and set SITE_SESSION to its cookie StaticWebAppsAuthCookie"
        )
        sys.exit(_INCOMPLETE)


@main.command()
@click.option("--env", "environment", default="test", help="The environment whose site it is beside. Default: test.")
@click.option("--as", "name", required=True, help="The preview's name, letters and digits.")
@click.option("--remove", is_flag=True, help="Remove the preview.")
def preview(environment: str, name: str, remove: bool) -> None:
    """Deploy this checkout's page and managed functions to their own address, beside an environment's site."""
    if not name.isalnum():
        raise click.UsageError(f"the name of a preview must have only letters and digits, got {name!r}")
    azure, group = command_line(), group_of(environment)
    with _errors_as_messages():
        if remove:
            if not deploying.remove_preview(azure, group, name):  # as where it failed, or was removed before
                click.echo(f"there is no preview {name}")
        else:
            click.echo(deploying.preview(azure, deploying.run_command, group, name))


@main.command(name="sign-in")
def sign_in_command() -> None:
    """Sign in to Azure from a GitHub workflow, without a secret."""
    with _errors_as_messages():
        sign_in(command_line(), os.environ)


@main.command()
@click.option(
    "--env",
    "environment",
    default="test",
    help="The environment; its resource group chat-ENV is deleted. Default: test.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation, where this app deployed all that is there.")
def destroy(environment: str, yes: bool) -> None:
    """Remove an environment: list its resources, ask, delete them all, and purge those that would still hold their name."""
    azure, group = command_line(), group_of(environment)
    with _errors_as_messages():
        if not deploying.group_exists(azure, group):
            purged = removal.purge_deleted(azure, group)
            if not purged:
                raise click.ClickException(
                    f"there is no resource group {group}, and nothing deleted that holds its name, in the subscription "
                    f"{azure.json('account', 'show')['name']}"
                )
            click.echo(f"{group} was deleted before; purged: {', '.join(purged)}")
            return
        resources = deploying.resources_of(azure, group)
        found = deploying.find_existing(azure, group)
        others = removal.of_others(resources, found.parameters)
        for resource in resources:
            mark = "   NOT DEPLOYED BY THIS APP" if resource["name"] in others else ""
            click.echo(f"{resource['type']:<60} {resource['name']}{mark}")
        purge_names = removal.names_to_purge(resources)
        purge_note = f"; to be purged: {', '.join(purge_names)}" if purge_names else ""
        click.echo(f"{_count(len(resources), 'resource')} in {group}{purge_note}")
        if yes and others:
            why = f"; what is deployed cannot be read: {found.unread}" if found.unread else ""
            raise click.ClickException(
                f"nothing was deleted: --yes is for what this app deployed, not for {', '.join(others)}{why}\n"
                "run it again without --yes, or move them to another group: az resource move"
            )
        if not yes and click.prompt(f"To delete all of them permanently, type {group}") != group:
            raise click.ClickException("nothing was deleted")
        removal.remove(azure, group, resources, found.parameters)
    click.echo(f"{group} is deleted")


if __name__ == "__main__":
    main(prog_name="python -m infra")
