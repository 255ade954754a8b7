"""The site, built once and served to a real browser."""

import functools
import http.server
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest

FOLDER = pathlib.Path(__file__).parent
ROOT = FOLDER.parents[1]
NEEDED = ("mkdocs", "material", "mkdocstrings_handlers", "latex2mathml")


def pytest_collection_modifyitems(items):
    """The pages are of no backend."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the extra `docs` is not installed: no {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served."""
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that does not log."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a window, which logs its requests."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium")
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if None in programs.values():
        pytest.skip("no Chromium: install Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        # One thread and one process draw, as fits a machine with few cores.
        "--disable-gpu",
        "--disable-software-rasterizer",
        "--disable-extensions",
        "--disable-threaded-compositing",
        "--disable-features=IsolateOrigins,site-per-process",
        "--window-size=1300,1000",
    ):
        options.add_argument(argument)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    service = webdriver.ChromeService(programs["chromedriver"])
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def network_events(browser):
    """What the browser's network did since the last call."""
    log = browser.get_log("performance")
    return [json.loads(entry["message"])["message"] for entry in log]
