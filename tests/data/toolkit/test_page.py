"""Pages as HTML and Markdown: escaped, complete, without anything to load."""

import base64

import pytest
from matplotlib.figure import Figure
from pages import Reader

from data.toolkit.page import Link, Page


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
    page.figure("so", 'says "so"', Figure)
    text, read = write(page)
    assert "script" not in read.tags
    assert "a < b" in read.text
    assert "</dl>" in read.text
    assert "data:image/png;base64," in text


def test_nothing_is_loaded_and_the_policy_forbids_it(write):
    page = Page("title")
    page.figure("picture", "caption", Figure)
    page.widget("place", {}, [], [])
    text, read = write(page)
    assert read.loads == []
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(" not in text


def test_data_of_a_page_cannot_end_an_element(write):
    data = {"key": "</script><script>alert(1)</script>", "n": 1.5, "none": None}
    page = Page("title")
    page.widget("place", data, [], [])
    assert write(page)[1].islands == {"place-data": data}


def test_a_page_of_text_has_no_script(write):
    page = Page("title")
    page.text("text")
    assert "script" not in write(page)[1].tags


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        Page("title").widget("place", [float("nan")], [], [])


def test_numbers_keep_to_a_line_and_words_may_break(write):
    page = Page("A page")
    page.table(["arm", "above full", "why"], [["lora", "-1.9 (-2.6 to -1.1)", "a long word"]])
    text, _ = write(page)
    assert '<td class="number">-1.9 (-2.6 to -1.1)</td><td>a long word</td>' in text


def test_a_cell_leads_to_another_page(write):
    page = Page("Index")
    page.table(["file"], [[Link("a <b>", "a #1/é.html")]])
    assert write(page)[1].loads == ["a%20%231/%C3%A9.html"]
    assert "a <b>" in write(page)[1].text
    assert "| [a <b>](a%20%231/%C3%A9.html) |" in page.markdown()


def test_one_page_is_html_and_markdown(tmp_path):
    page = Page("Results")
    page.heading("Scores", 3)
    page.text("*Above* holds `--lr` and **bold**, but 2 * 3 * 4 stays.")
    page.table(["arm", "score"], [["a|b", 97.1]])
    page.code("make results", "sh")
    page.facts({"machine": "2 cores"})
    page.figure("loss", "Loss", Figure)
    assert page.markdown().split("\n\n") == [
        "# Results",
        "### Scores",
        "*Above* holds `--lr` and **bold**, but 2 * 3 * 4 stays.",
        "| arm | score |\n| --- | ---: |\n| a\\|b | 97.1 |",
        "```sh\nmake results\n```",
        "- machine: 2 cores\n",
    ]
    markup = page.html()
    assert "<em>Above</em> holds <code>--lr</code> and <strong>bold</strong>, but 2 * 3 * 4 stays." in markup
    assert '<td>a|b</td><td class="number">97.1</td>' in markup


def test_a_picture_is_drawn_once_for_page_and_file(tmp_path):
    drawn = []
    page = Page("title")
    page.figure("roll", "A roll", lambda *numbers: drawn.append(numbers) or Figure(), 1, 2)
    assert page.markdown() == "# title\n"
    assert drawn == []
    assert page.save_pictures(tmp_path / "figures") == [tmp_path / "figures" / "roll.png"]
    assert base64.b64encode((tmp_path / "figures" / "roll.png").read_bytes()).decode() in page.html()
    assert drawn == [(1, 2)]


def test_origin_names_command_machine_versions_and_date():
    page = Page("title")
    machine = {"system": "Linux", "processor": "x86_64", "cores": 2, "accelerator": "H200"}
    record = {
        "command": "pretrain x",
        "machine": machine,
        "versions": {"torch": "2"},
        "time": "2026-01-02T03:04:05",
    }
    page.origin(record, {"shards": "feed"})
    assert page.markdown().split("\n\n")[1:] == [
        "## Origin",
        "```\npretrain x\n```",
        "- shards: feed\n- machine: 2 cores, Linux, x86_64, H200\n- versions: torch 2\n- date: 2026-01-02\n",
    ]
