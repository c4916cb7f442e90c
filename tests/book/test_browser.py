"""Open every page of a built site from `file://` in a real headless Chromium."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from book_sample import ROOT, sample_site
from playwright.sync_api import Browser, Page

from grokbook import paper
from grokbook.analysis import predict
from grokbook.book.build import build
from grokbook.book.chromium import chromium as headless
from grokbook.fourier.transform import Spectrum, key_frequencies
from grokbook.runs.run import read
from grokbook.training.ensure import default_store

LOCAL = ("file:", "data:", "blob:")
LEFT = "net::ERR_ABORTED"
"""How a request fails that was on its way when the page was left: of figures that load late, on a busy machine."""
pytestmark = pytest.mark.xdist_group("browser")  # one process builds the book and opens it

DESKTOP, PHONE = (1280, 900), (390, 800)
GRAVE = ("serious", "critical")
"""What axe-core calls violations that keep readers out."""
AXE = {"resultTypes": ["violations"], "preload": False}
"""Preloading would read the style sheets over again by requests that Chromium refuses to a page from disk."""

# Everything a reader can see of a figure's data: trace by trace, decoded, so that a change is a change on the screen.
DATA = """plot => JSON.stringify(plot._fullData.map(t => [t.type, t.mode, ...["x", "y", "z"].map(
    k => t[k] && Array.from(t[k], row => row?.length && typeof row !== "string" ? Array.from(row) : row))]))"""
# But for numbers on coloured cells, which are to stand out from those, and not from the page.
TEXT = """plot => [...plot.querySelectorAll("svg :not(.textpoint) > text")].filter(e => e.textContent.trim())
    .map(e => getComputedStyle(e).fill)"""
CONTRAST = """([texts, box]) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const light = colour => {
        canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(
            v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = light(getComputedStyle(box).backgroundColor);
    return Math.min(...texts.map(text => {
        const [low, high] = [light(text), ground].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    }));
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; without one these tests fail, because nothing else looks at the pages."""
    with headless() as browser:
        yield browser


@pytest.fixture(scope="module", params=["sample", "book"])
def site(request: pytest.FixtureRequest) -> Path:
    """The sample book, and the real one in its usual place (built or rebuilt if it is not up to date)."""
    return sample_site() if request.param == "sample" else build(ROOT).parent


def pages(site: Path) -> list[Path]:
    """Every page of the site, but for `index.html` where jupyter-book only sends the reader on from it."""
    found = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    return [path for path in found if 'http-equiv="Refresh"' not in path.read_text("utf8")]


@contextmanager
def opened(
    browser: Browser, size: tuple[int, int], *, scheme: str = "light", javascript: bool = True
) -> Iterator[Page]:
    """A page that lets no request out and fails when it closes if anything went wrong on it."""
    trouble: list[str] = []
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        java_script_enabled=javascript,
        reduced_motion="reduce",  # colours that fade from one to another have no contrast to speak of
    )
    context.route(
        lambda url: not url.startswith(LOCAL),
        lambda route: (trouble.append(route.request.url), route.abort()),
    )
    context.on("request", lambda r: None if r.url.startswith(LOCAL) else trouble.append(f"request {r.url}"))
    context.set_default_timeout(90_000)  # generous: the machine may be busy
    if javascript:  # else Chromium reports every script as failed
        context.on("requestfailed", lambda r: None if r.failure == LEFT else trouble.append(f"{r.failure} {r.url}"))
    context.on("weberror", lambda error: trouble.append(f"error {error.error}"))
    context.on("console", lambda m: trouble.append(m.text) if m.type in {"error", "warning"} else None)
    page = context.new_page()
    try:
        yield page
        assert not trouble, trouble
    finally:
        context.close()


def draw_figures(page: Page) -> int:
    """Scroll to each figure in turn and wait until it stands; return how many there are."""
    figures = page.locator(".grokbook-figure")
    for i in range(figures.count()):
        figures.nth(i).scroll_into_view_if_needed()
        page.wait_for_function("box => box.dataset.state === 'drawn'", arg=figures.nth(i).element_handle())
    return figures.count()


def test_every_page_on_a_desktop(chromium: Browser, site: Path):
    """Each page is opened once, looked at in light, operated, and looked at in the dark."""
    figures = sliders = 0
    with opened(chromium, DESKTOP) as page:
        for path in pages(site):
            page.goto(path.as_uri())
            page.evaluate("localStorage.clear()")
            page.reload()
            figures += check_figures(page, path)
            check_access(page, path)
            sliders += check_sliders(page, path)
            check_the_dark(page, path)
            check_access(page, path, runOnly=["color-contrast"])  # nothing else is different in the dark
    assert figures, "no figure on any page"
    assert sliders, "no slider on any page"


def check_figures(page: Page, path: Path) -> int:
    """Every figure of a page stands, with a caption and without formulas left as text; how many there are."""
    count = draw_figures(page)
    sizes = page.locator(".grokbook-figure .grokbook-plot .main-svg:first-child").evaluate_all(
        "all => all.map(svg => [svg.clientWidth, svg.clientHeight])"
    )
    assert len(sizes) == count, path
    assert all(width > 300 and height > 150 for width, height in sizes), path
    assert all(page.locator(".grokbook-figure figcaption").all_inner_texts()), path
    raw = page.locator("article .math, .grokbook-figure").evaluate_all(
        r"all => all.filter(e => /\\\(|\\\[|\$\S/.test(e.innerText)).map(e => e.innerText)"
    )
    assert not raw, (path, "formulas left as text", raw)
    return count


def check_access(page: Page, path: Path, **only: Sequence[str]) -> None:
    """axe-core finds nothing serious on a page as it stands."""
    found = Axe().run(page, options=AXE | only).response["violations"]
    grave = [
        (each["id"], node["html"][:200]) for each in found if each["impact"] in GRAVE for node in each["nodes"][:3]
    ]
    assert not grave, (path, page.locator("html").get_attribute("data-theme"), grave)


def check_sliders(page: Page, path: Path) -> int:
    """Every slider moves the data by keyboard; how many there are."""
    sliders = 0
    for box in page.locator(".grokbook-figure:has(input[type=range])").all():
        plot = box.locator(".grokbook-plot").element_handle()
        for control in box.locator("input[type=range]").all():
            label, before = control.get_attribute("aria-valuetext"), page.evaluate(DATA, plot)
            control.focus()
            page.keyboard.press("Home" if control.input_value() == control.get_attribute("max") else "End")
            page.wait_for_function(f"([plot, old]) => ({DATA})(plot) !== old", arg=[plot, before])
            assert control.get_attribute("aria-valuetext") != label, path
            sliders += 1
    return sliders


def check_the_dark(page: Page, path: Path) -> None:
    """The theme's button turns the page dark, and every text of every figure with it."""
    boxes = page.locator(".grokbook-figure").all()
    plots = [box.locator(".grokbook-plot").element_handle() for box in boxes]
    light = [page.evaluate(TEXT, plot) for plot in plots]
    for _ in range(3):
        if page.locator("html").get_attribute("data-theme") == "dark":
            break
        page.locator(".theme-switch-button:visible").first.click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    for box, plot, before in zip(boxes, plots, light, strict=True):
        page.wait_for_function(f"([plot, old]) => ({TEXT})(plot)[0] !== old", arg=[plot, before[0]])
        after = page.evaluate(TEXT, plot)
        ground = box.element_handle()
        assert not set(before) & set(after), (path, "text that kept its colour")
        assert page.evaluate(CONTRAST, [after, ground]) >= 4.5, (path, after)


def test_the_index_opens_the_landing_page(chromium: Browser, site: Path):
    with opened(chromium, DESKTOP) as page:
        page.goto((site / "index.html").as_uri())
        page.wait_for_selector("article h1")


def test_a_figure_far_away_waits(chromium: Browser):
    with opened(chromium, (1280, 300)) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        page.wait_for_function("grokbook.maths().then(() => true)")
        assert page.locator(".grokbook-figure[data-state]").count() == 0
        assert not page.locator("script[src*='/figures/']").count(), "numbers that nobody looks at"
        draw_figures(page)


def test_formulas_are_typeset_after_a_figure_that_has_none(chromium: Browser):
    with opened(chromium, DESKTOP) as page:
        # Told of at once: where the machine is busy, formulas stand before the next frame does.
        page.add_init_script("""addEventListener("DOMContentLoaded", () => {
            const wave = document.querySelector("[data-name=wave]");
            new MutationObserver(() => {
                if (wave.dataset.state === "drawn")
                    window.formulasBefore ??= document.querySelectorAll("mjx-container").length;
            }).observe(wave, { attributeFilter: ["data-state"] });
            wave.scrollIntoView({ behavior: "instant" });
        });""")
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        page.wait_for_selector("p mjx-container")
        assert page.evaluate("window.formulasBefore") == 0


def test_a_formula_in_a_plot_is_typeset_when_the_plot_stands(chromium: Browser):
    with opened(chromium, DESKTOP) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        draw_figures(page)
        assert page.locator("[data-name=wave] .grokbook-plot .xtitle-math-group").count() == 0
        assert page.locator("[data-name=cosines] .grokbook-plot .xtitle-math-group").count() == 1


def test_the_slider_shows_the_frame_it_names(chromium: Browser):
    with opened(chromium, DESKTOP) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        draw_figures(page)
        plot = page.locator("[data-name=wave] .grokbook-plot").element_handle()
        page.locator("[data-name=wave] input").focus()
        for k in (1, 2, 3, 4):
            page.keyboard.press("ArrowRight")
            first_row = f"plot => Array.from(plot._fullData[0].z[0].slice(0, 3))+'' === WANTED[{k}]"
            assert page.locator("[data-name=wave] output").inner_text() == str(k)
            wave = f"[0,1,2].map(a => Math.round(127*Math.cos(2*Math.PI*{k + 1}*a/31)))+''"
            page.wait_for_function(first_row.replace(f"WANTED[{k}]", wave), arg=plot)
        page.locator("[data-name=wave] .grokbook-play").click()
        page.wait_for_function("document.querySelector('[data-name=wave] output').textContent === '2'")
        page.wait_for_function("document.querySelector('[data-name=wave] .grokbook-play').ariaLabel === 'Play'")
        assert page.locator("[data-name=wave] output").inner_text() == "4"


def test_buttons_change_the_figure(chromium: Browser):
    with opened(chromium, DESKTOP) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        draw_figures(page)
        page.get_by_role("button", name="points").click()
        plot = page.locator("[data-name=cosines] .grokbook-plot").element_handle()
        page.wait_for_function("plot => plot._fullData.every(t => t.mode === 'markers')", arg=plot)
        assert page.get_by_role("button", name="points").get_attribute("aria-pressed") == "true"
        assert page.get_by_role("button", name="lines").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_colours_are_the_systems(chromium: Browser, scheme: str):
    with opened(chromium, DESKTOP, scheme=scheme) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        draw_figures(page)
        for box in page.locator(".grokbook-figure").all():
            texts = page.evaluate(TEXT, box.locator(".grokbook-plot").element_handle())
            assert page.evaluate(CONTRAST, [texts, box.element_handle()]) >= 4.5
            area = box.locator(".main-svg").first.evaluate("svg => getComputedStyle(svg).backgroundColor")
            assert area == "rgba(0, 0, 0, 0)"


CONTROLS = """all => all.filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled)"""
# Where the Tab key has come, and whether a ring shows it: round the link, or round the card that is a link as a whole.
FOCUSED = """() => {
    const one = document.activeElement;
    const {outlineStyle, boxShadow} = getComputedStyle(one.closest(".sd-card") ?? one);
    one.dataset.reached = outlineStyle !== "none" || boxShadow !== "none";
    return one.closest("article") !== null;
}"""


@pytest.mark.parametrize(
    "name",
    [
        *("explorer", "intro", "notebooks/elementary", "notebooks/prediction", "notebooks/workshop_1_watch_it_grok"),
    ],
)
def test_the_tab_key_reaches_every_control_and_shows_where_it_is(chromium: Browser, name: str):
    with opened(chromium, DESKTOP) as page:
        page.goto((build(ROOT).parent / f"{name}.html").as_uri())
        draw_figures(page)
        page.locator("article h1").first.evaluate("e => { e.tabIndex = -1; e.focus(); }")
        page.keyboard.press("Tab")
        while page.evaluate(FOCUSED):
            page.keyboard.press("Tab")
        reached = page.locator("article :is(a[href], a.modebar-btn, button, input, select, summary)").evaluate_all(
            f"all => ({CONTROLS})(all).map(e => [e.outerHTML.slice(0, 200), e.dataset.reached])"
        )
        assert len(reached) > 10
        assert [html for html, how in reached if how != "true"] == []


def test_a_phone_shows_every_page_without_sideways_scroll(chromium: Browser, site: Path):
    with opened(chromium, PHONE) as page:
        for path in pages(site):
            page.goto(path.as_uri())
            draw_figures(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], path
            page.evaluate("scrollTo(1000, 0)")
            assert page.evaluate("scrollX") == 0, path
            modes = "all => all.map(plot => plot._fullLayout.dragmode)"
            assert not any(page.locator(".grokbook-figure .grokbook-plot").evaluate_all(modes)), path
            assert page.locator(".modebar:visible").count() == 0, path


EXPLORER = "document.querySelector('.grokbook-explorer').dataset.state === 'drawn'"


@contextmanager
def explorer(browser: Browser, view: str = "", size: tuple[int, int] = DESKTOP, **how: str) -> Iterator[Page]:
    """The explorer of the real book, with a view of it drawn."""
    with opened(browser, size, **how) as page:
        page.goto((build(ROOT).parent / "explorer.html").as_uri() + view)
        page.wait_for_function(EXPLORER)
        yield page


def drawn_bars(page: Page, side: int) -> str:
    """The heights of the bars on one side, 0 or 1."""
    return page.locator(".grokbook-explorer-pane").nth(side).locator(".grokbook-plot").first.evaluate(DATA)


def test_the_explorer_opens_with_two_runs_and_its_slider_moves_both(chromium: Browser):
    with explorer(chromium) as page:
        assert "null" not in page.locator(".grokbook-explorer").inner_text()
        before = [drawn_bars(page, side) for side in (0, 1)]
        assert before[0] != before[1]
        page.get_by_label("Step", exact=True).focus()
        page.keyboard.press("Home")
        said = page.locator(".grokbook-explorer-said")
        page.wait_for_function(
            "[...document.querySelectorAll('.grokbook-explorer-said')].every(e => e.textContent.startsWith('Step 0:'))"
        )
        assert said.count() == 2
        assert all(drawn_bars(page, side) != before[side] for side in (0, 1))


def test_a_link_to_the_explorer_shows_the_same_view(chromium: Browser):
    with explorer(chromium) as page:
        page.get_by_label("Layer").select_option("neuron_logit")
        page.get_by_label("One scale for both").check()
        page.get_by_label("Operation").nth(1).select_option("a−b")
        page.wait_for_function(EXPLORER)
        page.get_by_label("Step", exact=True).focus()
        for _ in range(5):
            page.keyboard.press("ArrowLeft")
        page.wait_for_function("!location.hash.includes('-end-')")
        link = page.get_by_role("link", name="Link to this view").evaluate("a => a.hash")
        assert page.evaluate("location.hash") == link
        page.wait_for_timeout(300)
        words = page.locator(".grokbook-explorer-said").all_inner_texts()
        drawn = [drawn_bars(page, side) for side in (0, 1)]
    with explorer(chromium, link) as page:
        assert page.locator(".grokbook-explorer-said").all_inner_texts() == words
        assert [drawn_bars(page, side) for side in (0, 1)] == drawn
        assert page.get_by_label("Layer").input_value() == "neuron_logit"
        assert page.evaluate("location.hash") == link


def test_the_explorer_draws_what_the_run_recorded(chromium: Browser):
    run = default_store().get(paper.single("a+b"))
    spectrum = Spectrum.of_rows(run.spectra.neuron_logit.float())
    with explorer(chromium, f"#view-{run.config.hash[:8]}-none-neuron_logit-100-own") as page:
        time = run.spectra.step.tolist().index(100)
        traces = json.loads(drawn_bars(page, 0))
        top = max(float(spectrum.cosine.max()), float(spectrum.sine.max()))
        for trace, norms in zip(traces, (spectrum.cosine[time], -spectrum.sine[time]), strict=True):
            assert trace[2] == list(range(1, 49))
            assert trace[3] == pytest.approx(norms.tolist(), abs=top / 65535)


def test_the_explorer_shows_maps(chromium: Browser):
    key = paper.single("a+b").hash[:8]
    with explorer(chromium, f"#view-{key}-none-logits-end-own", scheme="dark") as page:
        (heatmap,) = json.loads(drawn_bars(page, 0))
        assert heatmap[0] == "heatmap"
        assert len(heatmap[4]) == 97
        assert page.locator(".grokbook-explorer-pane.empty").count() == 1


def test_the_explorer_names_the_key_frequencies(chromium: Browser):
    run = default_store().get(paper.single("a+b"))
    key = key_frequencies(Spectrum.of_rows(run.spectra.embedding[-1].float()))
    with explorer(chromium) as page:
        words, dense = page.locator(".grokbook-explorer-said").all_inner_texts()
    assert f"k = {', '.join(map(str, key))}." in words, "it opens with the paper's a+b"
    assert "48 of 48 frequencies are above half of the largest." in dense


def test_the_explorer_has_no_slider_where_nothing_moves(chromium: Browser):
    runs = map(read, default_store().folders())
    one, other = islice((run.config.hash[:8] for run in runs if len(run.spectra.logits_step) == 1), 2)
    with explorer(chromium, f"#view-{one}-{other}-logits-end-own") as page:
        assert page.locator(".grokbook-explorer-time input").count() == 0
        said = page.locator(".grokbook-explorer-said").all_inner_texts()
        assert all(", the only one kept: train " in words for words in said)
        page.get_by_label("Layer").select_option("embedding")
        page.wait_for_selector(".grokbook-explorer-time input")


@pytest.mark.parametrize("view", ["#view-nonsense", "#view-0-0-0-0-0", "#view", "#how-to-read-it"])
def test_the_explorer_survives_a_link_that_says_nothing(chromium: Browser, view: str):
    with explorer(chromium, view) as page:
        assert page.locator(".grokbook-explorer-pane:not(.empty) .main-svg").count() > 0


HELD = """() => {
    const append = document.head.append.bind(document.head);
    document.head.append = script => { window.held = [...(window.held ?? []), script]; };
    window.release = () => { document.head.append = append; held.forEach(script => append(script)); };
}"""
"""Scripts that a page asks for wait until they are released."""


def test_the_explorers_slider_waits_for_numbers_that_are_on_their_way(chromium: Browser):
    with explorer(chromium) as page:
        page.evaluate(HELD)
        page.get_by_label("Operation").nth(0).select_option("a−b")
        page.get_by_label("Step", exact=True).focus()
        page.keyboard.press("Home")
        page.wait_for_function("location.hash.includes('-0-')")
        page.evaluate("release()")
        page.wait_for_function(EXPLORER)
        said = page.locator(".grokbook-explorer-said").all_inner_texts()
        assert [text.startswith("Step 0:") for text in said] == [True, True]
        assert page.get_by_label("Step", exact=True).input_value() == "0"


def test_the_explorer_says_when_numbers_cannot_be_loaded_and_tries_again(chromium: Browser):
    with explorer(chromium) as page:
        page.evaluate(HELD)
        page.get_by_label("Operation").nth(0).select_option("a−b")
        page.evaluate("held.splice(0).forEach(script => script.onerror())")
        page.get_by_text("The numbers could not be loaded").first.wait_for()
        page.evaluate("release()")
        page.get_by_label("Operation").nth(0).select_option("a+b")
        page.wait_for_function(EXPLORER)
        page.get_by_label("Operation").nth(0).select_option("a−b")
        page.wait_for_function(EXPLORER)
        assert page.locator(".grokbook-explorer-said").first.inner_text().startswith("Step ")


def test_the_explorer_says_when_the_list_of_runs_cannot_be_loaded(chromium: Browser):
    page = chromium.new_page()
    page.route(re.compile(r"/explorer/runs\.js"), lambda route: route.abort())
    page.goto((build(ROOT).parent / "explorer.html").as_uri())
    page.get_by_text("The list of runs could not be loaded").wait_for()
    assert page.locator(".grokbook-runs a").count() > 100, "the table does without"
    page.close()


def test_a_slider_that_plays_stops_when_another_takes_its_place(chromium: Browser):
    with explorer(chromium) as page:
        page.get_by_role("button", name="Play").click()
        page.get_by_label("Layer").select_option("neuron_logit")
        page.wait_for_function(EXPLORER)
        page.wait_for_timeout(300)
        before = page.evaluate("location.hash")
        page.wait_for_timeout(600)
        assert page.evaluate("location.hash") == before


def test_a_phone_has_the_explorers_sides_one_below_the_other(chromium: Browser):
    with explorer(chromium, size=PHONE) as page:
        boxes = [pane.bounding_box() for pane in page.locator(".grokbook-explorer-pane").all()]
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0] for box in boxes)


ASKED = (
    *("a+b", "a*b", "a-b", "2a+b", "(a+b)^2", "a^2+3b^2", "a^3+2ab", "a^2+ab+b^2", "(2a+1)(b+5)"),
    *("(a-b)^4+a-b", "ab^2+b", "7a²b - 3·a × b**2"),
)
REFUSED = (
    *("", "a+c", "a/b", "a2", "a^b", "(a+b", "a+b)", "a^2^3", "a^40", "'", "5", "a b 3", "(a+b+1)^32", "a+"),
    *("9999999999999999999999a", "(a+b)^32*a", "a^2", "31a+b", "31a+31b", "(a+b)^31b + a^17 - 3b^2"),
)
ANSWER = ".grokbook-predictor [role=status]"
NUMBER = r"\d[\d,.]*\d|\d"
PREDICT = """([text, p, r]) => grokbook.prediction.predict(
    JSON.parse(document.querySelector(".grokbook-predictor").dataset.settings), text, p, r
).catch(error => error.message)"""


@contextmanager
def predictor(browser: Browser, size: tuple[int, int] = DESKTOP, **how: str) -> Iterator[Page]:
    """The field for predictions, in the sample book."""
    with opened(browser, size, **how) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        page.wait_for_selector(".grokbook-predictor form")
        yield page


def test_the_page_predicts_what_python_does(chromium: Browser):
    with predictor(chromium) as page:
        for text in ASKED:
            there = page.evaluate(PREDICT, [text, 31, 0.7])
            here = predict(text, 31, 0.7)
            assert [there["rho"], there["rhoSym"]] == pytest.approx([here.rho, here.rho_sym], abs=5e-4), text
            assert there["flat"] is here.flat
            assert there["probability"] == pytest.approx(here.probability, abs=1e-3)
            said = " ".join(there["sentences"]), re.sub(r"It is the same problem as \S+\. ", "", str(here))
            words = [re.sub(NUMBER, "N", each) for each in said]
            numbers = [[float(n.replace(",", "").rstrip(".")) for n in re.findall(NUMBER, each)] for each in said]
            assert words[0] == words[1]
            assert numbers[0] == pytest.approx(numbers[1], rel=2e-3)


@pytest.mark.parametrize(("p", "fraction"), [(31, 0.5), (96, 0.5), (2, 0.5), (31, 1.5), (31, 1e-5)])
def test_the_page_refuses_what_python_does(chromium: Browser, p: int, fraction: float):
    with predictor(chromium) as page:
        for text in REFUSED if (p, fraction) == (31, 0.5) else ["a+b"]:
            there = page.evaluate(PREDICT, [text, p, fraction])
            with pytest.raises(ValueError, match=r".") as refused:
                predict(text, p, fraction)
            here = str(refused.value).removesuffix(", see Operation.from_table")
            if fraction == 0.5 and p != 2:
                assert here.endswith(there), (here, there)
            else:
                assert there.startswith("p must be" if p == 2 else "r "), there
        assert page.evaluate(PREDICT, ["a+b", 499, 0.5]).startswith("p = 499 is too large for this page")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_field_answers_the_keyboard_and_tells_it(chromium: Browser, size: tuple[int, int]):
    with predictor(chromium, size) as page:
        result = page.locator(ANSWER)
        page.get_by_label("p, the prime modulus").fill("31")
        page.get_by_label("f(a, b) =").fill("ab + a")
        page.keyboard.press("Enter")
        page.wait_for_selector(".grokbook-predictor[data-state=done]")
        assert "ab+a modulo 31 is a sum or product in disguise." in result.inner_text()
        page.get_by_label("f(a, b) =").fill("a^2 + c")
        page.keyboard.press("Enter")
        page.wait_for_selector(".grokbook-predictor[data-state=refused]")
        assert result.inner_text() == "Cannot read it: column 7: unexpected character 'c'."
        assert page.get_by_label("f(a, b) =").get_attribute("aria-invalid") == "true"
        page.get_by_label("p, the prime modulus").fill("30")
        page.get_by_role("button", name="(a+b)³").click()
        page.wait_for_selector(".grokbook-predictor-wrong:has-text('p must be prime, 30 is not.')")
        assert page.locator("[aria-invalid]").count() == 1
        page.get_by_label("p, the prime modulus").fill("31")
        page.keyboard.press("Enter")
        page.wait_for_selector(".grokbook-predictor[data-state=done]")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_the_latest_question_is_answered(chromium: Browser):
    with predictor(chromium) as page:
        page.get_by_label("f(a, b) =").fill("a^3 + ab")
        page.keyboard.press("Enter")
        page.get_by_label("p, the prime modulus").fill("31")
        page.get_by_role("button", name="a²+3b²").click()
        page.wait_for_selector(".grokbook-predictor[data-state=done]")
        page.wait_for_timeout(500)
        assert "a²+3b² modulo 31" in page.locator(ANSWER).inner_text()


def test_the_answer_can_be_read_in_the_dark(chromium: Browser):
    with predictor(chromium, scheme="dark") as page:
        page.get_by_label("p, the prime modulus").fill("7")
        page.keyboard.press("Enter")
        page.wait_for_selector(".grokbook-predictor[data-state=done]")
        texts = page.locator(".grokbook-predictor :is(p, label, button, input)").evaluate_all(
            "all => all.filter(e => e.type !== 'submit').map(e => getComputedStyle(e).color)"
        )
        assert page.evaluate(CONTRAST, [texts, page.locator(".grokbook-predictor").element_handle()]) >= 4.5
        box = page.locator(".output.text_html:has(> .grokbook-predictor)")
        assert box.evaluate("e => getComputedStyle(e).backgroundColor") == "rgba(0, 0, 0, 0)"


def test_what_is_predicted_gets_a_star_in_the_figure_of_the_law(chromium: Browser):
    with opened(chromium, DESKTOP) as page:
        page.goto((build(ROOT).parent / "notebooks" / "prediction.html").as_uri())
        draw_figures(page)
        figure = page.locator(".grokbook-figure").first
        assert figure.bounding_box()["y"] + page.evaluate("scrollY") < 900
        star = "plot => { const {x, y} = plot._fullData.find(t => t.name === 'yours'); return [x[0], y[0]]; }"
        plot = figure.locator(".grokbook-plot").element_handle()
        page.get_by_role("button", name="(a+b)³").click()
        page.wait_for_selector(".grokbook-predictor[data-state=done]")
        assert page.evaluate(star, plot)[0] == pytest.approx(3**-0.5, abs=1e-3)
        page.get_by_label("p, the prime modulus").fill("31")
        page.keyboard.press("Enter")
        page.wait_for_function(f"plot => ({star})(plot)[0] === null", arg=plot)


def test_without_javascript_the_page_says_which_command_predicts(chromium: Browser):
    with opened(chromium, DESKTOP, javascript=False) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        assert page.locator(".grokbook-predictor code").inner_text().startswith("grokbook predict ")


def test_a_turned_phone_refits_its_figures(chromium: Browser):
    with opened(chromium, PHONE) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        draw_figures(page)
        shape = "document.querySelector('[data-name=wave] .grokbook-plot')._fullLayout"
        upright = page.evaluate(f"[{shape}.height, {shape}._size.w, {shape}._size.h]")
        assert upright[0] < 460
        for _ in range(2):  # a second time: nothing of the other shape may be left behind
            page.set_viewport_size({"width": 800, "height": 390})
            page.wait_for_function(f"{shape}?.height === 460 && {shape}.dragmode === 'zoom' && {shape}.width > 400")
            page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            page.wait_for_function(f"{shape}?.height === {upright[0]} && {shape}.dragmode === false")
            assert page.evaluate(f"[{shape}.height, {shape}._size.w, {shape}._size.h]") == upright


def test_colour_bars_leave_room_for_the_plot_however_often_the_page_changes_its_width(chromium: Browser):
    with opened(chromium, DESKTOP) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        draw_figures(page)
        plots = "[...document.querySelectorAll('.grokbook-plot')].filter(plot => plot.querySelector('.colorbar'))"
        assert page.evaluate(f"{plots}.length") > 0
        for size in (PHONE, DESKTOP, PHONE):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            lying = "true" if size == PHONE else "false"
            bar = "(plot._fullLayout.coloraxis ?? plot._fullData.find(t => t.colorbar)).colorbar"
            page.wait_for_function(f"{plots}.every(plot => ({bar}.orientation === 'h') === {lying})")
            page.wait_for_function(f"{plots}.every(plot => plot._fullLayout._size.h > 0.4 * plot.clientHeight)")


def test_search_lists_pages_from_a_folder_without_complaint(chromium: Browser, site: Path):
    """A browser fetches nothing from file://, so there is no excerpt to show."""
    with opened(chromium, DESKTOP) as page:
        page.goto(f"{(site / 'search.html').as_uri()}?q=wave")
        page.wait_for_selector("#search-results li a")
        page.wait_for_function("!document.querySelector('#search-progress')?.textContent.trim()")
        page.wait_for_timeout(300)
        assert page.locator("#search-results li").count() > 0
        scores = "['api/figures', 'intro'].map(name => Scorer.score([name, 'title', '', null, 30, 'file']))"
        assert page.evaluate(scores) == [10, 30], "chapters before the library's functions"


def test_a_phone_has_colour_bars_below_and_no_band_above(chromium: Browser, site: Path):
    with opened(chromium, PHONE) as page:
        page.goto((site / "notebooks" / ("wave.html" if "sample" in str(site) else "elementary.html")).as_uri())
        draw_figures(page)
        boxes = page.locator(".grokbook-figure:has(.infolayer .colorbar)").all()
        assert boxes
        for box in boxes:
            bar = box.locator(".colorbar .cbbg").first.bounding_box()
            area = box.locator(".nsewdrag").last.bounding_box()
            assert bar["y"] > area["y"] + area["height"]
            assert bar["width"] > bar["height"]
            assert area["width"] > 0.6 * PHONE[0]


def test_dark_mode_gives_curves_other_colours(chromium: Browser):
    drawn = "all => all.map(path => getComputedStyle(path).stroke)"
    strokes = []
    for scheme in ("light", "dark"):
        with opened(chromium, DESKTOP, scheme=scheme) as page:
            page.goto((build(ROOT).parent / "notebooks" / "elementary.html").as_uri())
            draw_figures(page)
            box = page.locator("[data-name=accuracy]").first
            lines = box.locator(".js-line").evaluate_all(drawn)
            assert page.evaluate(CONTRAST, [lines, box.element_handle()]) >= 3, scheme
            strokes.append(lines)
    assert not set(strokes[0]) & set(strokes[1])


def test_wide_tables_and_formulas_scroll_in_their_own_box(chromium: Browser):
    with opened(chromium, PHONE) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        page.wait_for_function("grokbook.maths().then(() => true)")
        for wide in ("mjx-container[display=true]", ".output.text_html:has(table)"):
            box = page.locator(wide).first
            assert box.evaluate("e => e.scrollWidth > e.clientWidth")
            assert "local" in box.evaluate("e => getComputedStyle(e).backgroundAttachment"), "shades at the edges"
        cells = page.locator("table.dataframe td, table.dataframe th")
        assert set(cells.evaluate_all("all => all.map(e => getComputedStyle(e).textAlign)")) == {"left"}


def test_printing_draws_what_was_never_scrolled_to(chromium: Browser):
    with opened(chromium, (1280, 300)) as page:
        page.goto((sample_site() / "notebooks" / "wave.html").as_uri())
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_function("document.querySelectorAll('.grokbook-figure[data-state=drawn]').length === 2")


def test_without_javascript_words_stand_in_for_figures(chromium: Browser, site: Path):
    with opened(chromium, DESKTOP, javascript=False) as page:
        for path in pages(site):
            page.goto(path.as_uri())
            for box in page.locator(".grokbook-figure").all():
                assert box.locator("figcaption").inner_text().strip(), path
                label = box.locator(".grokbook-plot").get_attribute("aria-label")
                assert json.dumps(label) == json.dumps(box.locator("noscript").inner_text().strip()), path
                numbers = box.locator(".grokbook-sources a").get_attribute("href")
                assert (path.parent / numbers).is_file(), (path, numbers)


def test_the_fence_around_a_page_notices(chromium: Browser, tmp_path: Path):
    """The checks above rest on `opened`: show that it fails for each kind of trouble."""
    scripts = ("fetch('https://example.org/x').catch(() => 0)", "console.error('no')", "null.x")
    for script in (*scripts, "document.head.append(Object.assign(document.createElement('script'), {src: 'gone.js'}))"):
        (tmp_path / "bad.html").write_text(f"<body><script>{script}</script>")
        with pytest.raises(AssertionError), opened(chromium, DESKTOP) as page:  # noqa: PT012
            page.goto((tmp_path / "bad.html").as_uri())
            page.wait_for_timeout(300)
