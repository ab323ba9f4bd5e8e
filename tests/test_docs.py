"""The guides: their links lead somewhere, their numbers of lines stay small, and the notebook runs."""

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest
from made import tune

from finetune.cli import _COMMANDS as COMMANDS
from symbolic import write_midi

HOME = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*HOME.glob("*.md"), *(HOME / "docs").glob("*.md"), HOME / "pretrain" / "experiments" / "QUEUE.md"]
)


CALLS = ("predict", "tokens", "adapters", "features", "library")
"""Guides whose Python needs nothing but a file or two."""


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_named_in_code_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|docs|data|pretrain|finetune|symbolic|results)/[\w/.-]+\.\w+)", text)
    assert not [
        path
        for path in named
        if not (HOME / path).exists() and "NAME" not in path and not path.startswith("docs/reference/")
    ]


def test_readme_is_short():
    assert len((HOME / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_index_names_every_guide():
    index = (HOME / "docs" / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in (HOME / "docs").glob("*.md") if page.name not in index + "README.md"]


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in CALLS)])
def test_python_in_guides_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("song.mid", "a.mid", "b.mid"):
        write_midi(tune(len(name)), tmp_path / name)
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", (HOME / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_every_command_has_a_call_that_exists():
    rows = re.findall(
        r"^\| `(.+?)` \| (.+) \|$", (HOME / "docs" / "library.md").read_text(encoding="utf-8"), re.M
    )
    listed = {row[0].split()[1] for row in rows if row[0].startswith("finetune ")}
    assert {*COMMANDS} <= listed
    calls = [
        call
        for _, cell in rows
        for call in re.findall(r"`((?:symbolic|data|pretrain|finetune)\.[\w.]+)", cell)
    ]
    assert len(calls) >= len(rows) - 2
    for call in calls:
        assert resolve_name(call) is not None, call


def test_the_notebook_runs(tmp_path, monkeypatch):
    jupytext, nbclient = pytest.importorskip("jupytext"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    notebook = jupytext.read(HOME / "docs" / "notebook.py")
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [str(output) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert "(20, " in "".join(outputs)
