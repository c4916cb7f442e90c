"""What is mended in finished pages, and what is left alone."""

import pytest

from grokbook.book.accessibility import mend_site, mended

SIGNATURE = """<dt class="sig">train(

<dl>
<dd><em class="sig-param">configs: <span class="pre">list</span></em>,</dd>
<dd><em class="sig-param">device</em>,</dd>
</dl>

)</dt>
<dd><dl class="field-list"><dt>Raises</dt><dd>nothing</dd></dl></dd>"""


def test_lines_of_a_signature_are_a_list():
    found = mended(SIGNATURE)
    assert found.count("<li><em") == found.count("</em>,</li>") == 2
    assert "<dl>" not in found
    assert found.endswith('<dd><dl class="field-list"><dt>Raises</dt><dd>nothing</dd></dl></dd>')


@pytest.mark.parametrize(
    "link", ['class="reference internal" href="a.html"', 'class="current reference internal" href="#"']
)
def test_a_fold_of_the_contents_has_a_name(link):
    page = f'<a {link}>The library</a><details open="open"><summary><span class="toctree-toggle">'
    assert '<summary aria-label="Pages of The library">' in mended(page)


def test_a_fold_of_a_cell_is_called_what_stands_on_it():
    page = '<details><summary aria-label="Toggle hidden content"><p>Show solution</p></summary></details>'
    assert mended(page) == "<details><summary><p>Show solution</p></summary></details>"


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("<th></th>", "<td></td>"),
        ('<th class="head"><p></p></th>', '<td class="head"></td>'),
        ("<th>p</th>", "<th>p</th>"),
        ("<thead></thead>", "<thead></thead>"),
    ],
)
def test_an_empty_corner_is_no_heading(cell, wanted):
    assert mended(cell) == wanted


def test_a_site_is_mended_once_but_for_what_is_copied(tmp_path):
    page = f'<div id="pst-primary-sidebar" class="bd"><p role="doc-biblioentry">{SIGNATURE}<th></th>'
    for name in ("a.html", "api/b.html", "_static/c.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(page)
    mend_site(tmp_path)
    assert (tmp_path / "_static" / "c.html").read_text() == page
    first = (tmp_path / "api" / "b.html").read_text()
    assert 'role="complementary"' in first
    assert 'role="listitem"' in first
    mend_site(tmp_path)
    assert (tmp_path / "api" / "b.html").read_text() == (tmp_path / "a.html").read_text() == first
