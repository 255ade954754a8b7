"""The built site in a real browser: all there, nothing from elsewhere, any width."""

import contextlib
import pathlib
import re
import time
import types

import pytest

import keras_dropout
from tests.docs.conftest import network_events

pytestmark = pytest.mark.slow

ANCHOR = re.compile(r'id="(keras_dropout[\w.]*)"')
# Of a phone, and of a desk.
WIDTHS = (390, 1400)
# Of the text on a phone.
TEXT = 358
IMAGE = re.compile(r'<img [^>]*src="([^"]*figures/[^"]*)"[^>]*>')
WIDE = re.compile(r'<svg [^>]*width="([\d.]+)pt"')
SCHEMES = {"default": "light", "slate": "dark"}
FOLDER = pathlib.Path(__file__).parent
MEASURES = (FOLDER / "measure.js").read_text("utf-8")
LOOK = (FOLDER / "look.js").read_text("utf-8")


def wait_until(condition, seconds=10):
    """Waits until a condition gives something, and returns that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} seconds")


def pages(site):
    """The paths of all pages, as a reader's browser asks for them."""
    found = sorted(site.rglob("index.html"))
    return [str(page.parent.relative_to(site)).lstrip(".") for page in found]


@contextlib.contextmanager
def without_search(browser):
    """Pages do not read the index of the search, which takes longer than all else."""
    script = """window.Worker = class extends EventTarget {
        postMessage() {}
        terminate() {}
    }"""
    command = "Page.addScriptToEvaluateOnNewDocument"
    added = browser.execute_cdp_cmd(command, {"source": script})
    yield
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def looked_at(paths, every):
    """The pages to look at: of the layers', which are alike, a third or every one."""
    layers = [path for path in paths if path.startswith("gallery/")]
    return paths if every else sorted({*paths} - {*layers} | {*layers[::3]})


@pytest.fixture(scope="module")
def visits(site, address, browser, pytestconfig):
    """What the browser found on each page. It loads each page once."""
    every = not pytestconfig.getoption("shared")
    with without_search(browser):
        return visited(looked_at(pages(site), every), address, browser)


def visited(paths, address, browser):
    found = {}
    browser.get_log("browser"), browser.get_log("performance")
    for path in paths:
        browser.get(address + path)
        events = network_events(browser)
        found[path] = types.SimpleNamespace(
            title=browser.find_element("tag name", "h1").text,
            console=browser.get_log("browser"),
            failed=failures(events),
            strangers=strangers(events, address),
            widths={width: measures(browser, width) for width in WIDTHS},
            schemes={scheme: look(browser, scheme) for scheme in SCHEMES},
        )
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    return found


def measures(browser, width):
    """The width of the page and its cut tables in a window of a width, which stays."""
    size = {
        "width": width,
        "height": 800,
        "deviceScaleFactor": 1,
        "mobile": width < 600,
    }
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    found = []

    def fits():
        found.append(types.SimpleNamespace(**browser.execute_script(MEASURES)))
        return found[-1].page <= width

    # A busy browser may still show the layout of the former width.
    with contextlib.suppress(AssertionError):
        wait_until(fits, seconds=3)
    return found[-1]


def look(browser, scheme):
    """The dim texts and the pictures of a page in one theme."""
    script = f"document.body.setAttribute('data-md-color-scheme', '{scheme}');"
    return browser.execute_script(script + LOOK)


def test_loads_every_page_without_an_error(visits):
    """No error in the console, no failed request, and none to another place."""
    for path, page in visits.items():
        assert page.console == [], path
        assert page.title, path
        assert page.failed == [], path
        assert page.strangers == [], path


def test_does_not_scroll_sideways_on_any_screen(visits):
    for path, page in visits.items():
        assert all(found.page <= width for width, found in page.widths.items()), path


@pytest.mark.parametrize("width", WIDTHS)
def test_shows_whole_tables(width, visits):
    cut = {path: page.widths[width].cut for path, page in visits.items()}

    assert {path: tables for path, tables in cut.items() if tables} == {}


@pytest.mark.parametrize("width", WIDTHS)
def test_breaks_words_in_tables_only_where_they_may(width, visits):
    broken = {path: page.widths[width].broken for path, page in visits.items()}

    assert {path: words for path, words in broken.items() if words} == {}


def test_shows_figures_that_can_be_read_on_a_phone(site):
    """Those that a phone shows are drawn there at half their size or larger."""
    shown = {
        (site / page / match[1].partition("#")[0]).resolve()
        for page in pages(site)
        for match in IMAGE.finditer((site / page / "index.html").read_text("utf-8"))
        if 'class="desk"' not in match[0]
    }
    drawn = {path: WIDE.search(path.read_text("utf-8")) for path in shown}
    wide = {
        path.name
        for path, width in drawn.items()
        # What is drawn by hand, the masks, has no unit of print.
        if width and float(width[1]) / 72 * 96 > 2 * TEXT
    }

    assert sum(width is not None for width in drawn.values()) > 50
    assert wide == set()


def test_can_be_read_in_both_themes(visits):
    """Every text has the contrast that accessibility asks for."""
    dim = {
        (path, scheme): look["dim"]
        for path, page in visits.items()
        for scheme, look in page.schemes.items()
        if look["dim"]
    }

    assert dim == {}


def test_shows_pictures_of_the_theme(visits):
    shown = [
        (path, theme, picture)
        for path, page in visits.items()
        for scheme, theme in SCHEMES.items()
        for picture in page.schemes[scheme]["pictures"]
    ]

    assert len(shown) > 100
    wrong = [each for each in shown if f".{each[1]}.svg" not in each[2]]
    assert wrong == []


def failures(events):
    """Requests that failed or were answered with an error."""
    found = []
    for event in events:
        if event["method"] == "Network.loadingFailed":
            if not event["params"].get("canceled"):
                found.append(event["params"]["errorText"])
        elif event["method"] == "Network.responseReceived":
            response = event["params"]["response"]
            if response["status"] >= 400:
                found.append(response["url"])
    return found


def strangers(events, address):
    """Addresses that were asked for and are not of the site."""
    own = (address, "data:", "blob:")
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in urls if not url.startswith(own)]


def test_shows_formulas_and_pictures(address, browser):
    browser.get(address + "gallery/DropBlock2D/")
    formulas = browser.find_elements("css selector", ".formula math")
    picture = browser.find_element("css selector", "article figure.mask svg")

    assert formulas
    assert all(formula.rect["height"] > 10 for formula in formulas)
    assert picture.rect["height"] > 100


def test_moves_a_mask_by_keyboard(address, browser):
    """The slider shows another frame, says its value, and has a name."""
    browser.get(address + "gallery/DropBlock2D/")
    slider = browser.find_element("css selector", "figure.mask input")
    frames = "[...document.querySelectorAll('.mask svg > g')]"
    shown = f"return {frames}.map((frame) => !frame.hasAttribute('display'))"
    before = browser.execute_script(shown)
    value = slider.get_attribute("aria-valuetext")
    slider.send_keys("\ue014")  # the arrow to the right
    after = browser.execute_script(shown)

    assert slider.accessible_name == "rate"
    assert before.count(True) == after.count(True) == 1
    assert after.index(True) == before.index(True) + 1
    assert slider.get_attribute("aria-valuetext") != value
    caption = browser.find_element("css selector", "figure.mask + p code").text
    assert caption == f"rate={slider.get_attribute('aria-valuetext')}"


# What people type, and the page that must come first.
SEARCHES = {
    "DropBlock2D": "gallery/DropBlock2D/",
    "MC dropout": "recipes/own-cnn/",
    "calibration": "five-minutes/",
    "conformal": "recipes/intervals-and-sets/",
    "error bars": "recipes/regression/",
    "out of distribution": "recipes/outliers/",
    "active learning": "recipes/active-learning/",
    "segmentation": "recipes/segmentation/",
    "GPU": "speed/",
    "concrete dropout": "recipes/tune-or-learn-the-rate/",
    "learning rate of dropout": "choosing-the-rate/",
}


def test_finds_the_right_page_first(address, browser):
    browser.get(address)
    field = browser.find_element("css selector", ".md-search__input")
    field.click()
    # In one go: the page may exchange the links while they are read. It also searches
    # as the letters come, so the first results are those of the first letters.
    first = "return document.querySelector('.md-search-result__link')?.href || ''"
    found = {}
    for words, page in SEARCHES.items():
        field.clear()
        field.send_keys(words)
        with contextlib.suppress(AssertionError):
            wait_until(
                lambda page=page: browser.execute_script(first).startswith(
                    address + page
                ),
                seconds=5,
            )
        answer = browser.execute_script(first).removeprefix(address)
        found[words] = answer.partition("#")[0].partition("?")[0]

    assert found == SEARCHES


def test_switches_to_dark_by_a_button(address, browser):
    browser.get(address + "schedules/")
    body = browser.find_element("tag name", "body")
    scheme = body.get_attribute("data-md-color-scheme")
    label = "form[data-md-component=palette] label:not([hidden])"
    browser.find_element("css selector", label).click()

    def other():
        now = body.get_attribute("data-md-color-scheme")
        return now != scheme and now

    assert {scheme, wait_until(other)} == set(SCHEMES)


def test_copies_an_example_without_its_prompts(address, browser):
    """What is copied runs: no prompts, and no output."""
    browser.get(address + "gallery/Dropout/")
    prompt = "//code[contains(., '>>>')]"
    code = browser.find_element("xpath", prompt)
    # What Material does around taking the text to copy.
    script = "arguments[0].setAttribute('data-md-copying', '')"
    browser.execute_script(script, code)
    copied = code.get_property("innerText")

    assert copied.startswith("from keras import ops")
    compile(copied, "copied", "exec")


def test_has_a_page_for_every_public_name(site):
    texts = [(site / path / "index.html").read_text("utf-8") for path in pages(site)]
    anchors = {anchor for text in texts for anchor in ANCHOR.findall(text)}

    assert {name for name in public_names() if name not in anchors} == set()


def public_names():
    """The full names of all functions and classes that the package exports."""
    exported = [getattr(keras_dropout, name) for name in keras_dropout.__all__]
    modules = [value for value in exported if isinstance(value, types.ModuleType)]
    for module in (keras_dropout, *modules):
        for name in getattr(module, "__all__", ()):
            if not isinstance(getattr(module, name), types.ModuleType | str):
                yield f"{module.__name__}.{name}"
