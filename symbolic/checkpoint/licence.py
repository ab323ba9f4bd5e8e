"""The licence chain of a model: the music of each training stage, and the licence that follows from its terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

PRETRAINING, FINE_TUNING, UNRECORDED = "pretraining", "fine-tuning", "unrecorded"
KINDS = (PRETRAINING, FINE_TUNING, UNRECORDED)
"""Kinds of training stages. Of an unrecorded stage the music is unknown."""
UNSTATED = "unstated"
OWN = "LicenseRef-Own"
"""Identifier of terms that no list of licences knows."""
_CC = "https://creativecommons.org/licenses/{}/legalcode"


class Terms(NamedTuple):
    """A licence of music.

    Attributes:
        title: Its usual name.
        url: Where its text is. "" where there is none.
        non_commercial: Whether it forbids commercial use.
        share_alike: Whether what is made from its material must stay under it.
    """

    title: str
    url: str = ""
    non_commercial: bool = False
    share_alike: bool = False


TERMS: Mapping[str, Terms] = {
    "CC0-1.0": Terms("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/legalcode"),
    "MIT": Terms("MIT", "https://opensource.org/license/mit"),
    "BSD-3-Clause": Terms("BSD 3-Clause", "https://opensource.org/license/bsd-3-clause"),
    "Apache-2.0": Terms("Apache 2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    "CC-BY-3.0": Terms("CC BY 3.0", _CC.format("by/3.0")),
    "CC-BY-4.0": Terms("CC BY 4.0", _CC.format("by/4.0")),
    "CC-BY-SA-3.0": Terms("CC BY-SA 3.0", _CC.format("by-sa/3.0"), share_alike=True),
    "CC-BY-SA-4.0": Terms("CC BY-SA 4.0", _CC.format("by-sa/4.0"), share_alike=True),
    "GPL-2.0-only": Terms("GPL 2.0", "https://www.gnu.org/licenses/gpl-2.0", share_alike=True),
    "GPL-3.0-only": Terms("GPL 3.0", "https://www.gnu.org/licenses/gpl-3.0", share_alike=True),
    "LicenseRef-NonCommercial": Terms("no commercial use", non_commercial=True),
    "CC-BY-NC-4.0": Terms("CC BY-NC 4.0", _CC.format("by-nc/4.0"), non_commercial=True),
    "CC-BY-NC-SA-4.0": Terms("CC BY-NC-SA 4.0", _CC.format("by-nc-sa/4.0"), True, True),
}
"""Known licences by their SPDX identifiers. All without a restriction allow any use that names the source."""
_COPYLEFT = ("GPL-3.0-only", "GPL-2.0-only")


@dataclass(frozen=True)
class Source:
    """One corpus that a model was trained on.

    Attributes:
        name: Its short name.
        title: Its full name.
        licence: Its terms in one line.
        spdx: SPDX expression of these terms, identifiers joined by " AND ". "" where it states none.
        citation: Its authors.
        homepage: Where it comes from.
        pieces: Number of pieces used.
        notes: Number of notes in them. 0 where they were not counted.
    """

    name: str
    title: str
    licence: str
    spdx: str
    citation: str
    homepage: str
    pieces: int
    notes: int = 0

    @property
    def identifiers(self) -> list[str]:
        """The SPDX identifiers of its terms."""
        return self.spdx.split(" AND ") if self.spdx else []

    @property
    def label(self) -> str:
        """Its name with the usual names of its licences."""
        names = [TERMS[one].title if one in TERMS else self.licence for one in self.identifiers]
        return f"{self.name} ({', '.join(dict.fromkeys(names)) or UNSTATED})"


@dataclass(frozen=True)
class Stage:
    """One training: of a model, or of the model that it was made on.

    Attributes:
        model: Name of the model that it made.
        kind: One of `KINDS`.
        sources: The music it was trained on.
    """

    model: str
    kind: str
    sources: tuple[Source, ...] = ()


Chain = Sequence[Stage]
"""The trainings of a model, the first one first. Empty: nothing is known."""


@dataclass(frozen=True)
class Licence:
    """The licence of a model.

    Attributes:
        title: Its usual name, or `UNSTATED`.
        spdx: Its identifier, `OWN`, or "" where it is unstated.
        reason: Sentences that say why.
    """

    title: str
    spdx: str
    reason: str

    @property
    def terms(self) -> Terms | None:
        """Its restrictions, if it is a known one."""
        return TERMS.get(self.spdx)

    @property
    def hub(self) -> str:
        """The name that model hubs give it."""
        return self.spdx.removesuffix("-only").lower() if self.terms else "other"


def is_permissive(spdx: str) -> bool:
    """Return whether an SPDX expression lets anyone use, sell and license what is made, if the source is named."""
    known = [TERMS.get(one) for one in spdx.split(" AND ")]
    return all(one and not one.non_commercial and not one.share_alike for one in known)


def identify(line: str) -> str:
    """Return the SPDX identifier of a licence by its usual name. `OWN` if it is not known."""
    wanted = _plain(line)
    if wanted == UNSTATED:
        return ""
    return next((spdx for spdx, one in TERMS.items() if wanted in (_plain(spdx), _plain(one.title))), OWN)


def licence_of(chain: Chain) -> Licence:
    """Return the licence of a model. It is never freer than the terms of any music in its chain.

    Music on permissive terms alone makes a model under CC BY 4.0. Else the restrictions of all sources add up. A source
    without terms leaves the model without a licence.
    """
    if not chain:
        return Licence(UNSTATED, "", "Its training music is not recorded.")
    sources = [source for stage in chain for source in stage.sources]
    unknown = [f"the training music of {stage.model} is not recorded" for stage in chain if not stage.sources]
    if silent := _names(source.name for source in sources if not source.spdx):
        unknown.append(f"no terms are stated for {silent}")
    if unknown:
        reason = "; ".join(unknown)
        return Licence(
            UNSTATED, "", f"{reason[0].upper()}{reason[1:]}. Do not pass it on without their owners' leave."
        )
    found = _strictest({one for source in sources for one in source.identifiers})
    restricted = [source for source in sources if not is_permissive(source.spdx)]
    if not restricted:
        return Licence(TERMS[found].title, found, "All its sources allow any use that names them.")
    reason = f"The restrictions of its sources add up: {_names(one.label for one in restricted)}."
    if found != "GPL-3.0-only" and any(one in _COPYLEFT for source in sources for one in source.identifiers):
        reason += " Keep to the copyleft terms among them too."
    own = list(dict.fromkeys(one.licence for one in restricted if set(one.identifiers) - set(TERMS)))
    if own:
        others = [TERMS[found].title] if not is_permissive(found) else []
        return Licence("; ".join([*own, *others]), OWN, reason)
    return Licence(TERMS[found].title, found, reason)


def chain_values(chain: Chain) -> list[dict[str, Any]]:
    """Return a chain as JSON values."""
    return [asdict(stage) for stage in chain]


def read_chain(values: Iterable[Mapping[str, Any]]) -> tuple[Stage, ...]:
    """Return the chain of JSON values that fit the schema."""
    return tuple(
        Stage(one["model"], one["kind"], tuple(Source(**source) for source in one["sources"]))
        for one in values
    )


def _strictest(identifiers: set[str]) -> str:
    """Return the licence that has the restrictions of all known ones."""
    known = [TERMS[one] for one in identifiers if one in TERMS]
    commercial = not any(one.non_commercial for one in known)
    free = not any(one.share_alike for one in known)
    if commercial and not free:
        return next((one for one in _COPYLEFT if one in identifiers), "CC-BY-SA-4.0")
    return f"CC-BY{'' if commercial else '-NC'}{'' if free else '-SA'}-4.0"


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("-", " ").split())
