"""``watchdog doctor``."""

import os

import click

from watchdog_cli.cli.options import GroupedCommand, folder_of, place_options

JSON_VERSION = 1


@click.command("doctor", cls=GroupedCommand)
@click.option("--json", "as_json", is_flag=True, help="Print the answer for programs, in a stable form.")
@place_options
def command(as_json: bool, directory: str | None, name: str | None) -> None:
    """Say whether everything is in order here, and what to do where it is not.

    Changes nothing. Ends with 0 when there is nothing worse than warnings, else with 5.
    """
    from watchdog_cli.adapters.config_file import checked_name
    from watchdog_cli.core.findings import Grade, exit_code
    from watchdog_cli.wiring.doctor import examine, meet

    folder = folder_of(directory)
    patient = meet(folder, None if name is None else checked_name(name), dict(os.environ))
    findings = examine(patient)
    code = exit_code(findings)
    if as_json:
        import json

        answer = {
            "version": JSON_VERSION,
            "name": patient.name,
            "folder": patient.folder,
            "checks": [
                {"check": one.check, "level": one.grade.value, "text": one.text, "remedy": one.remedy}
                for one in findings
            ],
            "exit_code": int(code),
        }
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        from watchdog_cli.core.record import one_line

        click.echo(f"{patient.name} in {one_line(patient.folder)}")
        width = max(len(one.check) for one in findings)
        for one in findings:
            click.echo(f"{one.grade.value:7}  {one.check:{width}}  {one_line(one.text)}")
            if one.remedy:
                click.echo(f"{'':7}  {'':{width}}  -> {one_line(one.remedy)}")
        counts = [
            (grade, sum(one.grade is grade for one in findings)) for grade in (Grade.FAULT, Grade.WARNING)
        ]
        bad = [f"{number} {grade.value}{'s' if number > 1 else ''}" for grade, number in counts if number]
        click.echo(f"{len(findings)} checks: {', '.join(bad) or 'all well'}")
    raise SystemExit(code)
