"""``manage.py doctor``: what is wrong with this installation, and how to mend it."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mysite.doctor import Finding, Level, carry_out, examinations
from mysite.doctor.findings import plural
from mysite.doctor.line import origin


class Command(BaseCommand):
    """
    Prints a line for each examination. Ends with 1 if there are errors, with ``--strict`` also for warnings.

    It changes nothing, and shows no passwords.
    """

    help = "Examines this installation and the site that it serves; each finding comes with its fix."
    requires_system_checks = []  # they are part of what is examined

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url",
            help="Knock here instead of at SITE_URL, asking for the host of SITE_URL all the same: "
            "to try a proxy or a server before names lead to it.",
        )
        parser.add_argument("--no-knock", action="store_true", help="The server is not started yet: leave it alone.")
        parser.add_argument("--strict", action="store_true", help="Warnings count as errors.")
        parser.add_argument(
            "--replicas", type=int, default=1, help="How many servers there are, each with WEB_CONCURRENCY processes."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url = None if options["no_knock"] else options["url"] or settings.SITE_URL
        if options["url"]:
            try:
                origin(options["url"])
            except ValueError as error:
                raise CommandError(f"--url: {error}") from None
        counts: Counter[Level] = Counter()
        for name, examination in examinations(replicas=options["replicas"], url=url).items():
            for finding in carry_out(name, examination, reraise=options["traceback"]):
                self._print(finding)
                counts[finding.level] += 1
        errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
        is_well = not errors and not (warnings and options["strict"])
        summary = f"{plural(errors, 'error')}, {plural(warnings, 'warning')}."
        self.stdout.write(self.style.SUCCESS(summary) if is_well else self.style.ERROR(summary))
        if not is_well:
            raise SystemExit(1)

    def _print(self, finding: Finding) -> None:
        style = {Level.OK: self.style.SUCCESS, Level.WARNING: self.style.WARNING, Level.ERROR: self.style.ERROR}
        self.stdout.write(f"{style[finding.level](f'{finding.level:<7}')}  {finding.text}")
        if finding.fix:
            self.stdout.write(f"{'':<7}  fix: {finding.fix}")
        self.stdout.flush()  # the next examination may take seconds
