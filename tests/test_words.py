"""Private words must not come back: in the guides, in help texts, in the first lines of docstrings."""

import ast
import re
from contextlib import suppress
from pathlib import Path

import pytest

import data.cli
import finetune.cli
import pretrain.cli

HOME = Path(__file__).resolve().parents[1]

WORDS = {
    "answers": "predictions",
    "at hand": "available",
    "beginning of a run": "initialisation",
    "come along": "bundled",
    "comes along": "bundled",
    "commonest": "most common",
    "floor": "baseline",
    "floors": "baselines",
    "forecaster": "predictor",
    "foretell": "predict",
    "foretells": "predicts",
    "foretold": "predicted",
    "glance": "summary",
    "graft": "replacement",
    "grafts": "replacements",
    "hand on": "export",
    "heard": "trained on; read",
    "hears": "is trained on; reads",
    "hints": "note features",
    "judge": "downstream task",
    "judgement": "note predictions",
    "judges": "downstream tasks",
    "likeliest": "most likely",
    "metres": "time signatures",
    "rack": "adapter set",
    "said plainly": "(say it)",
    "siblings": "the other packages",
    "tempi": "tempos",
    "twin": "copy",
    "voter": "ensemble",
    "voters": "ensemble",
}
"""Private words, and what the field says."""

CLAUSES = re.compile(r"(As of|How|Of|What|Where|Which|Whose) ")
CODE = re.compile(r"(?s:```.*?```)|^    .*$|`[^`]*`", flags=re.MULTILINE)
PRIVATE = re.compile(rf"\b({'|'.join(WORDS)})\b", flags=re.IGNORECASE)
PAGES = [
    *(
        HOME / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pretrain/experiments/QUEUE.md")
    ),
    *sorted((HOME / "docs").glob("*.md")),
    *sorted((HOME / "symbolic" / "models").glob("*/README.md")),
]
HELP = [
    *((pretrain.cli, command) for command in ((), ("export",), ("scaling",))),
    *((data.cli, command) for command in ((), ("prepare",), ("mix",), ("pack",))),
    (finetune.cli, ()),
    *(
        (finetune.cli, (command,))
        for command in (
            *(
                "melody",
                "composer",
                "sequence",
                "note",
                "compare",
                "predict",
                "infill",
                "listen",
                "style",
                "surprise",
                "transfer",
                "across",
                "lines",
            ),
            *("export", "baselines", "tasks", "report"),
        )
    ),
]


def private(text):
    """The private words of a text, each with what to write."""
    return [f"{found}: write {WORDS[found.lower()]}" for found in PRIVATE.findall(text)]


def docstrings(path):
    """First lines of a file's docstrings, by place."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{path.relative_to(HOME)}:{getattr(node, 'lineno', 1)}", text.splitlines()[0]


LINES = [
    line
    for package in ("symbolic", "data", "pretrain", "finetune", "experiments")
    for path in sorted((HOME / package).rglob("*.py"))
    for line in docstrings(path)
]


def test_a_private_word_would_be_found():
    assert private("It hears Floors.") == ["hears: write is trained on; reads", "Floors: write baselines"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HOME).as_posix())
def test_guides_hold_no_private_word(page):
    assert private(CODE.sub(" ", page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("command", "name"), HELP, ids=[" ".join([command.__name__, *name]) for command, name in HELP]
)
def test_help_holds_no_private_word(command, name, capsys):
    for flag in ("--help", "--help_all"):
        with suppress(SystemExit):
            command.main([*name, flag])
    text = capsys.readouterr().out
    assert "usage" in text
    assert private(text) == []


def test_docstrings_hold_no_private_word():
    assert [f"{place}: {words}" for place, line in LINES if (words := private(line))] == []


def test_docstrings_begin_with_no_clause():
    assert [f"{place}: {line}" for place, line in LINES if CLAUSES.match(line)] == []
