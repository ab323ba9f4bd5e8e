"""The legal texts beside weights, written from a licence chain: LICENSE and ATTRIBUTION.md."""

from __future__ import annotations

from pathlib import Path

from symbolic.checkpoint.bundled import ATTRIBUTION, LICENCE
from symbolic.checkpoint.licence import OWN, TERMS, Chain, Licence, Source, licence_of
from symbolic.errors import ConfigError

_TEXTS = Path(__file__).with_name("licences")
CHAIN_HEADER = ("model", "made by", "music")
NAMED = "ATTRIBUTION.md names every source."


def legal_texts(name: str, chain: Chain, terms: str | Path | None = None) -> dict[str, str]:
    """Return LICENSE and ATTRIBUTION.md of a model by file name.

    Args:
        name: Name of the model.
        chain: Its chain.
        terms: File with the text of the licence, if that is no well-known one.

    Raises:
        ConfigError: If that file cannot be read, or the licence has a text already.
    """
    licence = licence_of(chain)
    text = _own_text(terms, licence) if terms else _known_text(licence)
    return {LICENCE: _licence_file(name, licence, text), ATTRIBUTION: _attribution(name, chain, licence)}


def chain_rows(chain: Chain) -> list[tuple[str, str, str]]:
    """Return a row for each stage, as `CHAIN_HEADER` names them."""
    return [
        (stage.model, stage.kind, ", ".join(one.label for one in stage.sources) or "–") for stage in chain
    ]


def _own_text(path: str | Path, licence: Licence) -> str:
    if licence.spdx != OWN:
        raise ConfigError(
            f"--terms {path}: the licence of the model is {licence.title}, which needs no such text. Leave it out, or "
            "state terms of your own with --licence."
        )
    try:
        return Path(path).read_text(encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(f"--terms {path}: cannot be read ({error.strerror}).") from error


def _known_text(licence: Licence) -> str:
    path = _TEXTS / f"{licence.spdx}.txt"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _licence_file(name: str, licence: Licence, text: str) -> str:
    if not licence.spdx:
        return f"The weights of {name} have no licence.\n\n{licence.reason} {NAMED}\n"
    lines = [
        f"The weights of {name} in this folder, and the files beside them, are licensed under {licence.title}.",
        "",
        f"{licence.reason} {NAMED}",
        "",
        "The code of Counterpoint is under the Apache License 2.0.",
    ]
    if licence.terms and licence.terms.url:
        lines += ["", licence.terms.url]
    if text:
        lines += ["", "-" * 72, "", text.rstrip()]
    return "\n".join([*lines, ""])


def _attribution(name: str, chain: Chain, licence: Licence) -> str:
    lines = [
        f"# Attribution of {name}",
        "",
        f"Licence of the weights: {licence.title}. {licence.reason}",
        "",
        f"{name} was trained on the music below. It holds none of its files. Pass on this file with {name} "
        "and with any model made from it.",
    ]
    for stage in chain:
        lines += ["", f"## {stage.model}, {stage.kind}", ""]
        lines += [_entry(source) for source in stage.sources] or ["The music is not recorded."]
    return "\n".join([*lines, ""])


def _entry(source: Source) -> str:
    notes = f", {source.notes:,} notes" if source.notes else ""
    urls = [TERMS[one].url for one in source.identifiers if one in TERMS and TERMS[one].url]
    licence = f"{source.licence} ({', '.join(urls)})" if urls else source.licence
    entry = (
        f"{source.title} ({source.name}). Licence: {licence}. {source.citation.rstrip('.')}. "
        f"{source.homepage}. {source.pieces:,} pieces{notes}."
    )
    return "- " + entry.replace("*", r"\*")
