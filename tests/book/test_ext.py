import json
import re
from html.parser import HTMLParser
from pathlib import Path

import plotly
import plotly.graph_objects as go
import pytest
from book_sample import HEADER, ROOT, sample_site, write_sample_book

from grokbook import RunStore
from grokbook.book.build import BuildError, build
from grokbook.book.execute import NotebookError
from grokbook.book.executions import GAP, Execution, executions, tables
from grokbook.book.plotly_mime import DEFAULT_HEIGHT, Placeholder, render
from grokbook.book.sphinx_ext import MATHJAX, PLOTLY, STATIC, compiled_ahead, vendored_sources
from grokbook.figures.style import PALETTE, TRAIN

META = {"name": "A Wave!", "caption": r"Norms $\|u_k\| < 1$ & more", "alt": 'A "wave"'}


def figure(**layout: object) -> dict:
    chart = go.Figure(go.Heatmap(z=[[1, 2], [3, 4]]), layout={"meta": META, **layout}, frames=[go.Frame(name="0")])
    return json.loads(chart.to_json())


def script_of(placeholder: Placeholder) -> tuple[str, str]:
    """Name and text of the side file that is loaded."""
    return next((name, text) for name, text in placeholder.files.items() if name.endswith(".js"))


def read_side_file(script: str) -> tuple[str, dict]:
    match = re.fullmatch(r'grokbook\.add\("([^"]+)",(.*)\);\n', script, re.DOTALL)
    assert match
    return match[1], json.loads(match[2])


def test_a_side_file_holds_the_figure_without_template_and_width():
    source = figure(template="plotly_dark", width=700, height=300)
    placeholder = render(source)
    name, script = script_of(placeholder)
    key, stored = read_side_file(script)
    assert name == f"{key}.js"
    assert re.fullmatch(r"a-wave-[0-9a-f]{10}", key)
    assert stored["data"] == source["data"]
    assert stored["frames"] == source["frames"]
    assert stored["layout"] == {"height": 300, "meta": META}


def test_the_key_follows_the_content():
    assert render(figure(height=300)).files == render(figure(height=300)).files
    assert not render(figure(height=300)).files.keys() & render(figure(height=301)).files.keys()


def test_a_figure_offers_its_numbers_and_the_command_that_makes_it():
    placeholder = render(figure(), root="../", command="grokbook notebook a<b")
    (name,) = (name for name in placeholder.files if name.endswith(".csv"))
    assert f'<a href="../_static/figures/{name}" download>' in placeholder.html
    assert "<code>grokbook notebook a&lt;b</code>" in placeholder.html
    assert "<code>" not in render(figure()).html
    assert placeholder.files[name] == "y,0,1\n0,1,2\n1,3,4\n"


def test_a_placeholder_reserves_room_and_speaks_without_javascript():
    page = render(figure(height=300)).html
    assert 'style="height:300px"' in page
    assert f'style="height:{DEFAULT_HEIGHT}px"' in render(figure()).html
    assert 'role="group" aria-label="A &quot;wave&quot;"' in page
    assert '<noscript><p class="grokbook-alt">A &quot;wave&quot;</p></noscript>' in page
    caption = r'Norms <span class="math notranslate nohighlight">\(\|u_k\| &lt; 1\)</span> &amp; more'
    assert f"<figcaption>{caption}</figcaption>" in page


def test_room_for_controls_is_reserved_where_there_are_any():
    assert "grokbook-controls" not in render(figure()).html
    play, show = ({"buttons": [{"method": method}]} for method in ("animate", "restyle"))
    assert "grokbook-controls" not in render(figure(updatemenus=[play])).html
    page = render(figure(sliders=[{}, {}], updatemenus=[play, show])).html
    assert 'class="grokbook-controls" style="min-height:9rem"' in page


@pytest.mark.parametrize(
    ("given", "height", "bottom"),
    [({"height": 600, "margin": {"b": 130, "l": 9}}, 530, 60), ({"height": 600}, 600, 60), ({}, DEFAULT_HEIGHT, 60)],
)
def test_the_room_for_plotlys_own_slider_is_taken_back(given, height, bottom):
    placeholder = render(figure(sliders=[{}], **given))
    layout = read_side_file(script_of(placeholder)[1])[1]["layout"]
    assert (layout["height"], layout["margin"]["b"]) == (height, bottom)
    assert f"height:{height}px" in placeholder.html
    assert {**given.get("margin", {}), "b": bottom} == layout["margin"]


def test_a_heading_stands_above_the_plot_in_the_page_itself():
    page = render(figure(meta={**META, "title": "a < $b$"})).html
    heading = r'<p class="grokbook-title">a &lt; <span class="math notranslate nohighlight">\(b\)</span></p>'
    assert heading in page
    assert page.index(heading) < page.index("grokbook-plot")
    assert "grokbook-title" not in render(figure()).html


def test_the_style_sheet_names_the_figures_colours():
    css = (STATIC / "grokbook.css").read_text("utf8")
    inks = dict(re.findall(r"--grokbook-ink-(\w+): (#\w+);", css))
    assert inks == {**{str(i): ink for i, ink in enumerate(PALETTE, start=1)}, "train": TRAIN}
    for theme in ("light", "dark"):
        rules = css.split(f'html[data-theme="{theme}"] {{')[1].split("}")[0]
        assert set(re.findall(r"--grokbook-series-(\w+):", rules)) == inks.keys()


def test_a_wide_figure_scrolls_in_its_own_box():
    page = render(figure(meta={**META, "min_width": 720})).html
    assert "min-width:720px" in page


@pytest.mark.parametrize(("meta", "missing"), [({}, ("caption", "alt")), ({"caption": "c", "alt": " "}, ("alt",))])
def test_missing_words_are_noticed(meta, missing):
    assert render(figure(meta=meta)).missing == missing


class Assets(HTMLParser):
    """Collect what a page loads, and its figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.figures: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in {"script", "img", "iframe", "source"}:
            self.loaded.append(values.get("src") or "")
        if tag == "link" and values.get("rel") in {
            "stylesheet",
            "preload",
            "preconnect",
            "icon",
            "dns-prefetch",
        }:
            self.loaded.append(values.get("href") or "")
        if tag == "figure":
            self.figures.append(values.get("data-figure") or "")


def test_a_page_is_light_and_loads_nothing_from_elsewhere():
    site = sample_site()
    pages = {path: path.read_text("utf8") for path in site.rglob("*.html") if "_static" not in path.parts}
    assert {"index.html", "intro.html", "wave.html", "search.html"} <= {path.name for path in pages}
    for path, text in pages.items():
        assert not [url for url in Assets(text).loaded if re.match(r"(https?:)?//", url)], path
        assert "thebe" not in text.lower(), path
        assert len(text.encode()) < 50_000, path
    wave = pages[site / "notebooks" / "wave.html"]
    assert "Plotly" not in wave
    assert "bdata" not in wave
    figures = Assets(wave).figures
    assert [key.rpartition("-")[0] for key in figures] == ["wave", "cosines"]
    for key in figures:
        assert f'href="../_static/figures/{key}.csv"' in wave
        assert (site / "_static" / "figures" / f"{key}.csv").read_text("utf8").count("\n") > 1
        stored_key, stored = read_side_file((site / "_static" / "figures" / f"{key}.js").read_text("utf8"))
        assert stored_key == key
        assert stored["data"]


def test_scripts_are_vendored_from_the_installed_packages():
    site = sample_site()
    sources = vendored_sources()
    assert (site / "_static" / MATHJAX).read_bytes() == sources[MATHJAX].read_bytes()
    original, script = sources[PLOTLY].read_text("utf8"), (site / "_static" / PLOTLY).read_text("utf8")
    assert f"plotly.js v{plotly.offline.get_plotlyjs_version()}" in script
    assert script == compiled_ahead(original) != original, "plotly.js is wrapped in another way than it was"
    assert re.sub(r"[()\s]", "", script) == re.sub(r"[()\s]", "", original)


def test_the_body_of_plotly_is_put_in_parentheses():
    script = "(function(root, f) { f(); } (self ? self : this, () => {\nlet Plotly = {};\nreturn Plotly;\n}));\n"
    wanted = "(function(root, f) { f(); } (self ? self : this, (() => {\nlet Plotly = {};\nreturn Plotly;\n})));\n"
    assert compiled_ahead(script) == wanted
    assert compiled_ahead(wanted) == wanted
    assert compiled_ahead("let Plotly = {};") == "let Plotly = {};"


def test_what_a_page_loads_later_is_no_script_of_its_own():
    pages = {path.stem: path.read_text("utf8") for path in (sample_site() / "notebooks").glob("*.html")}
    for text in (*pages.values(), (sample_site() / "index.html").read_text("utf8")):
        assert not re.search(r"<script[^>]*(tex-svg|plotly|fontawesome)", text)
    preload = f'<link rel="preload" as="script" href="../_static/{PLOTLY}">'
    assert {name for name, text in pages.items() if preload in text} == {
        name for name, text in pages.items() if 'class="grokbook-figure"' in text
    }


def test_a_figure_says_whether_it_holds_formulas():
    assert " data-maths" not in render(figure()).html, "a caption is typeset with the page"
    assert " data-maths>" in render(figure(xaxis={"title": {"text": "$x$"}})).html


def test_a_book_is_built_from_published_runs_alone(tmp_path, monkeypatch, tiny_run):
    RunStore(tmp_path / "mine").put(tiny_run)
    monkeypatch.setenv("GROKBOOK_STORE", str(tmp_path / "mine"))
    given = {}

    def executed(*_, env, store, **__):
        given.update(env=env, store=store)
        raise NotebookError("enough")

    monkeypatch.setattr("grokbook.book.build.execute_all", executed)
    with pytest.raises(NotebookError, match="enough"):
        build(write_sample_book(tmp_path / "repository"))
    assert not Path(given["env"]["GROKBOOK_STORE"]).exists()
    assert given["env"]["GROKBOOK_STORED_ONLY"]
    assert given["store"].places == (ROOT / "runs", Path(given["env"]["GROKBOOK_STORE"]))
    assert tiny_run.config not in given["store"]


def test_an_up_to_date_site_is_left_alone(capsys):
    site = sample_site()
    before = (site / "index.html").stat().st_mtime_ns
    assert build(site.parents[2]) == site / "index.html"
    assert (site / "index.html").stat().st_mtime_ns == before
    assert "site up to date" in capsys.readouterr().out


def test_a_figure_without_words_fails_the_build(tmp_path: Path):
    root = write_sample_book(tmp_path / "repository")
    cell = "import plotly.graph_objects as go\ngo.Figure(go.Scatter(y=[1, 2]))"
    (root / "notebooks" / "wave.md").write_text(f"{HEADER}# Bare\n\n```{{code-cell}} ipython3\n{cell}\n```\n")
    with pytest.raises(BuildError, match=r"(?s)wave.*figure without layout\.meta\.caption.*layout\.meta\.alt"):
        build(root)


class Words(HTMLParser):
    """The text of a page's article, with single spaces."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(page.read_text("utf8").split("<article")[1].split("</article>")[0])

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_pages_of_the_library_say_what_its_docstrings_say():
    text = Words(sample_site() / "look_up.html").text
    assert "class Spectrum ( constant : Float [ Tensor , '*time' ] , cosine : Float [ Tensor , '*time K' ]" in text
    assert "Alias for field number" not in text
    assert re.search(r"property combined : Float .{20,60} √\(‖u_k‖² \+ ‖v_k‖²\): cosine and sine", text), "colons stay"
    assert "Raises : TrainingDiverged , DamagedRun – after all others were trained" in text


def test_signatures_are_readable_where_defaults_are_made_by_functions():
    text = Words(sample_site() / "look_up.html").text
    assert (
        "class Trainer ( device : device , finished : dict" in text or "class Trainer ( device : torch.device" in text
    )
    assert "<factory>" not in text
    assert "~grokbook" not in text


def test_the_execution_page_is_made_from_the_executed_notebooks():
    site = sample_site()
    (one,) = executions(site.parents[2] / "book" / "notebooks")
    assert one.name == "wave"
    assert 0 < one.seconds < 600
    text = Words(site / "look_up.html").text
    assert one.setting in text
    assert f"A travelling wave {one.seconds:.1f} s {one.facts['date'][:10]}" in text
    assert 'href="notebooks/wave.html"' in (site / "look_up.html").read_text("utf8")


def test_notebooks_executed_elsewhere_have_a_table_of_their_own():
    facts = {
        "grokbook": "0.1.0",
        "commit": "abc",
        "python": "3.11",
        "torch": "2",
        "numpy": "2",
        "device": "Z3",
        "cores": 2,
    }
    facts |= {"date": "2026-11-23T10:50:59+00:00"}
    found = [
        Execution("one", 61.25, facts),
        Execution("two", 4.0, {**facts, "commit": None, "gpus": ["G"]}),
        Execution("three", 60.0, facts),
    ]
    versions = "with Python 3.11, torch 2, numpy 2 on Z3, 2 cores"
    assert tables(found, "chapters").replace(GAP, " ").split("\n\n") == [
        f"**grokbook 0.1.0 (commit abc) {versions}**: 2 notebooks, 2 min in all.",
        "| notebook | took | executed (UTC) |\n|---|---|---|\n"
        "| {doc}`/chapters/one` | 61.2 s | 2026-11-23 10:50 |\n| {doc}`/chapters/three` | 60.0 s | 2026-11-23 10:50 |",
        f"**grokbook 0.1.0 (commit not known) {versions}, G**: 1 notebook, 4 s in all.",
        "| notebook | took | executed (UTC) |\n|---|---|---|\n| {doc}`/chapters/two` | 4.0 s | 2026-11-23 10:50 |",
    ]


def test_launch_buttons_lead_to_the_notebook_without_outputs():
    page = (sample_site() / "notebooks" / "wave.html").read_text("utf8")
    for url in (
        "https://mybinder.org/v2/gh/grokbook/grokbook/main?urlpath=lab/tree/notebooks/wave.ipynb",
        "https://colab.research.google.com/github/grokbook/grokbook/blob/main/notebooks/wave.ipynb",
    ):
        assert f'href="{url}"' in page
