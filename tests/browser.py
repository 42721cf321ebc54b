"""The browser of the tests: the system's Chromium, else the one that `playwright install chromium` brings."""

import os
import shutil
from typing import Any

CHROMIUMS = ("chromium", "google-chrome", "chromium-browser")


def launch_args() -> dict[str, Any]:
    """What Playwright needs to start it here."""
    installed = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    chosen = {"executable_path": installed} if installed else {}
    # Chromium's sandbox refuses to work for root.
    sandbox = {"args": ["--no-sandbox"]} if os.geteuid() == 0 else {}
    return chosen | sandbox
