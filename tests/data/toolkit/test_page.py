"""Pages as HTML and Markdown: escaped, complete, without anything to load."""

import re

import pytest
from matplotlib.figure import Figure
from pages import Reader

from data.toolkit.charts import Estimate
from data.toolkit.page import Page, asset


@pytest.fixture
def write(tmp_path):
    def written(page):
        page.write(tmp_path / "page.html")
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        return text, Reader(text)

    return written


def test_a_page_escapes_what_it_is_given(write):
    page = Page("<script>alert(1)</script>")
    page.text("a < b")
    page.missing("<i>")
    page.facts({"<dt>": "</dl>"}, fold="<summary>")
    page.table(("x",), [("<script>",)])
    page.figure(Figure(), 'says "so"')
    text, read = write(page)
    assert "script" not in read.tags
    assert "a < b" in read.text
    assert "</dl>" in read.text
    assert "data:image/png;base64," in text


def test_nothing_is_loaded_and_the_policy_forbids_it(write):
    page = Page("title")
    page.figure(Figure(), "picture")
    page.charts({"title": "t", "x": "x", "y": "y", "series": [{"name": "a", "x": [0], "y": [1.0]}]})
    text, read = write(page)
    assert read.loads == []
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(" not in text


def test_data_of_a_page_cannot_end_an_element(write):
    data = {"key": "</script><script>alert(1)</script>", "n": 1.5, "none": None}
    page = Page("title")
    page.widget("place", data, "", "")
    assert write(page)[1].islands == {"place-data": data}


def test_charts_carry_their_numbers_and_their_script(write):
    page = Page("title")
    charts = [
        {"title": title, "x": "step", "y": "nats", "series": [{"name": "<a>", "x": [0, 1], "y": [None, 2.5]}]}
        for title in ("one", "<two>")
    ]
    page.charts(charts[0])
    page.charts(charts[1])
    text, read = write(page)
    assert read.islands["charts-data"] == charts
    assert "<two>" in read.text
    assert text.count('data-chart="0"') == text.count('data-chart="1"') == 1
    assert text.count('querySelectorAll("[data-chart]")') == 1


def test_the_script_knows_how_many_colours_the_style_has():
    colours = set(re.findall(r"--c(\d+):", asset("data.toolkit", "page.css")))
    assert f"const colours = {len(colours)}," in asset("data.toolkit", "charts.js")


def test_a_page_of_text_has_no_script(write):
    page = Page("title")
    page.text("text")
    assert "script" not in write(page)[1].tags


def test_a_confusion_matrix_shows_proportions_and_counts(write):
    page = Page("title")
    page.matrix(["<a>", "b", "never"], [[3, 1, 0], [0, 1200, 0], [0, 0, 0]])
    text, read = write(page)
    assert read.text.count("<a>") == 2
    assert [cell for cell in read.text if cell.endswith("%")] == [
        "75%",
        "25%",
        "0%",
        "0%",
        "100%",
        *["0%"] * 4,
    ]
    assert "1,200" in read.text
    assert "--share:0.750" in text


def test_estimates_are_numbers_and_marks_on_a_line(write):
    page = Page("title")
    page.estimates(("class", "recall, %", "notes"), [Estimate("<a>", 0.5, 0.4, 0.625, "12")])
    page.estimates(("class", "recall, %", "notes"), [Estimate("b", *[float("nan")] * 3, "0")])
    text, read = write(page)
    assert [cell for cell in read.text if cell in ("<a>", "50.0", "40.0 to 62.5", "12", "–")] == [
        *("<a>", "50.0", "40.0 to 62.5", "12", "–", "–")
    ]
    assert "--low:0.4000;--high:0.6250;--value:0.5000" in text
    assert "nan" not in text.split("<body>")[1]


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        Page("title").widget("place", [float("nan")], "", "")


def test_numbers_keep_to_a_line_and_words_may_break(write):
    page = Page("A page")
    page.table(["arm", "above full", "why"], [["lora", "-1.9 (-2.6 to -1.1)", "a long word"]])
    text, _ = write(page)
    assert '<td class="number">-1.9 (-2.6 to -1.1)</td><td>a long word</td>' in text


def test_one_page_is_html_and_markdown(tmp_path):
    page = Page("Results")
    page.heading("Scores", 3)
    page.text("*Above* holds `--lr` and **bold**, but 2 * 3 * 4 stays.")
    page.items(["first", "second"])
    page.table(["arm", "score"], [["a|b", 97.1]])
    page.code("make results", "sh")
    page.facts({"machine": "2 cores"})
    chart = {"title": "Loss", "x": "step", "y": "nats", "series": [{"name": "a", "x": [0], "y": [1.0]}]}
    page.charts(chart, picture="loss")
    assert page.markdown("figures").split("\n\n") == [
        "# Results",
        "### Scores",
        "*Above* holds `--lr` and **bold**, but 2 * 3 * 4 stays.",
        "- first\n- second",
        "| arm | score |\n| --- | ---: |\n| a\\|b | 97.1 |",
        "```sh\nmake results\n```",
        "- machine: 2 cores",
        "![Loss](figures/loss.png)\n",
    ]
    assert "![" not in page.markdown()
    markup = page.html()
    assert "<em>Above</em> holds <code>--lr</code> and <strong>bold</strong>, but 2 * 3 * 4 stays." in markup
    assert '<td>a|b</td><td class="number">97.1</td>' in markup


def test_named_blocks_are_saved_as_pictures(tmp_path):
    page = Page("title")
    chart = {
        "title": "Loss",
        "x": "step",
        "y": "nats",
        "series": [{"name": "a", "x": [0, 1], "y": [None, 1.0]}],
    }
    page.charts(chart, chart, picture="together")
    page.charts(chart, chart, picture=["one", "two"])
    page.charts(chart)
    page.matrix(["a", "b"], [[1, 2], [3, 4]], "Confusion", picture="confusion")
    page.estimates(("class", "recall, %", "notes"), [Estimate("a", 0.5, 0.4, 0.6, "12")], "Recall", "recall")
    page.figure(Figure(), "roll", picture="roll")
    names = ["together", "one", "two", "confusion", "recall", "roll"]
    assert page.save_pictures(tmp_path / "figures") == [
        tmp_path / "figures" / f"{name}.png" for name in names
    ]
    assert all((tmp_path / "figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG" for name in names)
