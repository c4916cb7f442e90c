import json
import re
from html.parser import HTMLParser
from pathlib import Path

import plotly
import plotly.graph_objects as go
import pytest
from book_sample import HEADER, sample_site, write_sample_book

from grokbook.book.build import BuildError, build
from grokbook.book.plotly_mime import DEFAULT_HEIGHT, render
from grokbook.book.sphinx_ext import STATIC, vendored_sources
from grokbook.figures.style import PALETTE, TRAIN

META = {"name": "A Wave!", "caption": r"Norms $\|u_k\| < 1$ & more", "alt": 'A "wave"'}


def figure(**layout: object) -> dict:
    chart = go.Figure(go.Heatmap(z=[[1, 2], [3, 4]]), layout={"meta": META, **layout}, frames=[go.Frame(name="0")])
    return json.loads(chart.to_json())


def read_side_file(script: str) -> tuple[str, dict]:
    match = re.fullmatch(r'grokbook\.add\("([^"]+)",(.*)\);\n', script, re.DOTALL)
    assert match
    return match[1], json.loads(match[2])


def test_a_side_file_holds_the_figure_without_template_and_width():
    source = figure(template="plotly_dark", width=700, height=300)
    placeholder = render(source)
    key, stored = read_side_file(placeholder.script)
    assert placeholder.filename == f"{key}.js"
    assert re.fullmatch(r"a-wave-[0-9a-f]{10}", key)
    assert stored["data"] == source["data"]
    assert stored["frames"] == source["frames"]
    assert stored["layout"] == {"height": 300, "meta": META}


def test_the_key_follows_the_content():
    assert render(figure(height=300)).filename == render(figure(height=300)).filename
    assert render(figure(height=300)).filename != render(figure(height=301)).filename


def test_a_placeholder_reserves_room_and_speaks_without_javascript():
    page = render(figure(height=300)).html
    assert 'style="height:300px"' in page
    assert f'style="height:{DEFAULT_HEIGHT}px"' in render(figure()).html
    assert 'role="img" aria-label="A &quot;wave&quot;"' in page
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
    layout = read_side_file(placeholder.script)[1]["layout"]
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
        stored_key, stored = read_side_file((site / "_static" / "figures" / f"{key}.js").read_text("utf8"))
        assert stored_key == key
        assert stored["data"]


def test_scripts_are_vendored_from_the_installed_packages():
    site = sample_site()
    for name, source in vendored_sources().items():
        assert (site / "_static" / name).read_bytes() == source.read_bytes()
    assert f"plotly.js v{plotly.offline.get_plotlyjs_version()}" in (site / "_static/vendor/plotly.min.js").read_text()
    page = (site / "notebooks" / "wave.html").read_text("utf8")
    assert "vendor/mathjax/tex-svg-full.js" in page


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
