"""Firefox and WebKit for `make browsers`: finds each, or installs Debian's, and what drives them in an environment of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from debian import install
from environments import environment

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

ROOT = Path(__file__).resolve().parent.parent
_FOLDER = ROOT / ".cache" / "browsers"
ENGINES = ("firefox", "webkit")
#: Where Debian and Ubuntu have WebKitGTK's smallest browser, the one that its driver starts by itself.
_MINI_BROWSER = "webkit2gtk-4.*/MiniBrowser"


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser of an engine, and what drives it: Playwright, which has its `own` build or speaks BiDi, or a WebDriver."""

    engine: str
    path: str
    own: bool = False
    driver: str | None = None


def find(engine: str, playwright: Playwright) -> Browser | None:
    """Playwright's own build, else the system's; None where there is none. WebKitGTK needs a screen: Xvfb gives it one."""
    own: str = getattr(playwright, engine).executable_path
    if Path(own).exists():
        return Browser(engine, own, own=True)
    if engine == "firefox":
        path = shutil.which("firefox-esr") or shutil.which("firefox")
        return Browser(engine, path) if path else None
    driver, mini = shutil.which("WebKitWebDriver"), next(Path("/usr/lib").glob(f"*/{_MINI_BROWSER}"), None)
    screen = os.environ.get("DISPLAY") or shutil.which("Xvfb")
    return Browser(engine, str(mini), driver=driver) if driver and mini and screen else None


def main(wanted: list[str], *, download: bool) -> None:
    """Print the folder of the packages that drive browsers; on stderr, what is installed or missing. `download` gets
    Playwright's own builds from where it keeps them."""
    with redirect_stdout(sys.stderr):
        python = environment(_FOLDER, ROOT / "requirements" / "browsers.txt", "browsers")
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        if download:
            subprocess.run(
                [str(python), "-m", "playwright", "install", "--with-deps", *wanted], stdout=sys.stderr, check=True
            )
        sys.path.insert(0, packages)
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            for engine in wanted:
                if find(engine, playwright) is None:
                    _install(engine)
            missing = [engine for engine in wanted if find(engine, playwright) is None]
    if missing:
        sys.exit(
            f"browsers: no {' and no '.join(missing)} found; on Debian or Ubuntu: apt install firefox-esr webkit2gtk-driver xvfb; "
            "elsewhere: make browsers DOWNLOAD=1"
        )
    print(packages)


def _install(engine: str) -> None:
    if engine == "firefox":
        install("firefox-esr", words="browsers: installing Debian's Firefox (about 80 MB, once)")
        return
    install("webkit2gtk-driver", words="browsers: installing Debian's WebKitGTK (about 60 MB, once)")
    if shutil.which("Xvfb") is None:
        install("xvfb", words="browsers: installing Xvfb, a screen for it")


if __name__ == "__main__":
    main([each for each in sys.argv[1:] if each in ENGINES] or list(ENGINES), download="--download" in sys.argv)
