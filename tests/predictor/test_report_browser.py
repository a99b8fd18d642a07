"""The page of an evaluation in a real browser: light, dark, on a phone, on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.predictor import evaluated
from tests.predictor.browser import Page, browsing, pixels

from mt_predictor.report_page import page

pytestmark = pytest.mark.slow

WIDE, PAPER, NARROW = 1100, 660, 400  # pixels; of paper, what its margins leave
DARK = {"name": "prefers-color-scheme", "value": "dark"}
# Whatever is cut off at the right, but for what can be scrolled by itself.
OVERFLOWING = """[...document.querySelectorAll('body *')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.right > document.documentElement.clientWidth + 1 && box.width
    && !one.closest('.scroll, nav, pre');
}).map(one => one.outerHTML.slice(0, 120))"""
# Contrast of each text with what lies behind it (WCAG 2.2, 1.4.3), where it is too low.
TOO_PALE = """(() => {
  const rgba = text => (text.match(/[0-9.]+/g) || [0, 0, 0, 0]).map(Number);
  const over = (top, below) => {
    const share = top[3] ?? 1;
    return [0, 1, 2].map(i => top[i] * share + below[i] * (1 - share));
  };
  const light = color => {
    const [r, g, b] = color.map(x => x / 255).map(
      x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    const layers = [];
    for (let one = element; one; one = one.parentElement)
      layers.push(rgba(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Set();
  for (let node; (node = walker.nextNode());) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest('title') || !parent.getClientRects().length) continue;
    const style = getComputedStyle(parent), below = ground(parent);
    const ink = parent.tagName === 'text' ? style.fill : style.color;
    const [a, b] = [light(over(rgba(ink), below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.add(`${ratio.toFixed(2)} ${parent.tagName} ${node.data.slice(0, 40)}`);
  }
  return [...found];
})()"""
HEADINGS = "[...document.querySelectorAll('h1, h2')].filter(e => e.checkVisibility()).length"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    found = evaluated.measured(400)
    told = evaluated.document(found, evaluated.run_folder(folder / "run"))
    hostile = "<img src=//example.com/x onerror=alert(1)>\u202e" + "unbroken" * 60
    told["sentences"]["random"][0] |= {"source": hostile, "slice": hostile, "translation": hostile}
    told["test"][0]["uri"] = told["data"]["files"][0]["uri"] = f"pvc://claim/{hostile}"
    (folder / "report.html").write_text(page(told))
    return folder / "report.html"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PAPER, NARROW])
def test_the_page_can_be_read(tab: Page, written: Path, scheme: str, width: int) -> None:
    tab.open(written, width=width, scheme=scheme)
    assert tab.requests() == [written.as_uri()]
    assert tab.ask(HEADINGS) == 13
    assert tab.ask("document.documentElement.scrollWidth") <= width
    assert tab.ask(OVERFLOWING) == []
    assert tab.ask(TOO_PALE) == []
    assert tab.complaints() == []  # last, as they may come late


def test_light_and_dark_are_what_they_say(tab: Page, written: Path) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        tab.open(written, scheme=scheme)
        picture = pixels(tab.screenshot(scale=0.1))[..., :3]
        assert picture.std() > 8  # there is something to see
        shades[scheme] = float(picture.mean())
    assert shades["dark"] < 90 < 200 < shades["light"]


def test_on_paper_there_is_no_menu_and_all_is_black_on_white(tab: Page, written: Path) -> None:
    tab.open(written, width=PAPER, scheme="dark")
    tab.call("Emulation.setEmulatedMedia", media="print", features=[DARK])
    assert tab.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert tab.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.ask(OVERFLOWING) == []
    assert tab.ask(TOO_PALE) == []
    told = tab.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
    tab.call("Emulation.setEmulatedMedia", media="", features=[])
    assert told["data"].startswith("JVBERi")  # %PDF


def test_texts_in_both_directions_keep_to_themselves(tab: Page, tmp_path: Path) -> None:
    told = evaluated.document(evaluated.measured(20))
    told["sentences"]["random"] = [
        {"number": 1, "slice": "שלום", "source": "שלום (a)", "reference": "abc", "translation": "b"}
    ]
    (tmp_path / "report.html").write_text(page(told))
    tab.open(tmp_path / "report.html")
    direction = "getComputedStyle([...document.querySelectorAll('#random bdi')].find(e => {}))"
    ask = f"{direction}.direction"
    assert tab.ask(ask.replace("{}", "e.textContent.includes('(a)')")) == "rtl"
    assert tab.ask(ask.replace("{}", "e.textContent === 'abc'")) == "ltr"


@pytest.mark.parametrize("name", ["scores", "reproduce"])
def test_the_menu_leads_to_sections(tab: Page, written: Path, name: str) -> None:
    tab.open(written)
    tab.ask("document.documentElement.style.scrollBehavior = 'auto'")
    tab.ask(f"document.querySelector('nav a[href=\"#{name}\"]').click()")
    top = tab.ask(f"document.getElementById('{name}').getBoundingClientRect().top")
    assert -1 <= top <= 900
    assert tab.requests() == [written.as_uri()]
