"""The built site in a real browser: all there, nothing from elsewhere, any width."""

import re
import time
import types

import pytest

import keras_dropout
from tests.docs.conftest import network_events

pytestmark = pytest.mark.slow

ANCHOR = re.compile(r'id="(keras_dropout[\w.]*)"')
# Of a phone, and of a desk.
WIDTHS = (360, 1400)


def wait_until(condition, seconds=10):
    """Waits until a condition gives something, and returns that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def pages(site):
    """The paths of all pages, as a reader's browser asks for them."""
    found = sorted(site.rglob("index.html"))
    return [str(page.parent.relative_to(site)).lstrip(".") for page in found]


@pytest.fixture(scope="module")
def visits(site, address, browser):
    """What the browser found on each page, each of which it loads once."""
    found = {}
    browser.get_log("browser"), browser.get_log("performance")
    for path in pages(site):
        browser.get(address + path)
        events = network_events(browser)
        found[path] = types.SimpleNamespace(
            title=browser.find_element("tag name", "h1").text,
            console=browser.get_log("browser"),
            failed=failures(events),
            strangers=strangers(events, address),
            widths={width: page_width(browser, width) for width in WIDTHS},
        )
    return found


def page_width(browser, width):
    """How wide the page is in a window of a width."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        return browser.execute_script("return document.documentElement.scrollWidth")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_loads_every_page_without_an_error(visits):
    """No error in the console, no failed request, and none to another place."""
    for path, page in visits.items():
        assert page.console == [], path
        assert page.title, path
        assert page.failed == [], path
        assert page.strangers == [], path


def test_does_not_scroll_sideways_on_any_screen(visits):
    for path, page in visits.items():
        assert all(found <= width for width, found in page.widths.items()), path


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
    pictures = browser.find_elements("css selector", "article img")
    shown = [picture for picture in pictures if picture.is_displayed()]

    assert formulas
    assert all(formula.rect["height"] > 10 for formula in formulas)
    assert len(shown) == 1
    wait_until(lambda: shown[0].get_property("naturalWidth"))


def test_finds_a_layer_by_search(address, browser):
    browser.get(address)
    field = browser.find_element("css selector", ".md-search__input")
    field.click()
    field.send_keys("DropBlock2D")

    # In one go: the page may exchange the links while they are read. It also searches
    # as the letters come, so the first results are those of the first letters.
    first = "return document.querySelector('.md-search-result__link')?.href || ''"
    wanted = address + "gallery/DropBlock2D/"
    assert wait_until(lambda: browser.execute_script(first).startswith(wanted))


def test_switches_to_dark_pictures_in_dark_mode(address, browser):
    browser.get(address + "gallery/Dropout/")
    body = browser.find_element("tag name", "body")

    def look():
        pictures = browser.find_elements("css selector", "article img")
        sources = [p.get_attribute("src") for p in pictures if p.is_displayed()]
        return body.get_attribute("data-md-color-scheme"), sources

    scheme, sources = look()
    label = "form[data-md-component=palette] label:not([hidden])"
    browser.find_element("css selector", label).click()
    wait_until(lambda: look()[0] != scheme)
    other_scheme, other_sources = look()

    assert {scheme, other_scheme} == {"default", "slate"}
    assert len(sources) == len(other_sources) == 1
    theme = {"default": "light", "slate": "dark"}
    assert f".{theme[scheme]}.svg" in sources[0]
    assert f".{theme[other_scheme]}.svg" in other_sources[0]


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
