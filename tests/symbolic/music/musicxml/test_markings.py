"""Markings of MusicXML scores."""

from musicxml_text import backup, note, score

from symbolic.music.musicxml.markings import markings
from symbolic.music.musicxml.reader import read_tree
from symbolic.music.musicxml.source import score_tree


def dynamics(name):
    return f"<direction><direction-type><dynamics><{name}/></dynamics></direction-type></direction>"


def wedge(kind):
    return f'<direction><direction-type><wedge type="{kind}"/></direction-type></direction>'


def marked(*measures):
    root = score_tree(score(list(measures)).encode(), "x")
    elements = read_tree(root, "x")[1]
    return markings(root, elements)


def test_dynamics_hold_for_both_staves_until_the_next():
    first = f"{dynamics('p')}{note('C4', 4, staff=1)}{backup(4)}{note('C3', 4, staff=2)}"
    found = marked(first, dynamics("ff") + note("D4", 4, staff=1))
    assert found["level"].tolist() == [-1, 2, -1]  # staff after staff
    assert found["stated"].all()


def test_nothing_is_stated_before_the_first_mark():
    found = marked(note("C4", 2) + dynamics("f") + note("D4", 2))
    assert found["stated"].tolist() == [False, True]


def test_hairpins_end_with_a_stop_or_the_next_dynamics():
    bar = wedge("crescendo") + note("C4") + wedge("stop") + note("D4") + wedge("diminuendo") + note("E4")
    assert marked(bar + dynamics("p") + note("F4"))["hairpin"].tolist() == [1, 0, -1, 0]


def test_marks_of_single_notes():
    def with_marks(inside):
        return note("C4", last=f"<notations>{inside}</notations>")

    bar = with_marks("<articulations><staccato/><strong-accent/></articulations>") + with_marks("<fermata/>")
    found = marked(bar + with_marks("<arpeggiate/>") + note("C4"))
    assert found["staccato"].tolist() == found["accent"].tolist() == [True, False, False, False]
    assert (found["fermata"].tolist(), found["arpeggiate"].tolist()) == ([0, 1, 0, 0], [0, 0, 1, 0])


def test_a_slur_joins_all_notes_but_the_last():
    def slur(kind):
        return f'<notations><slur type="{kind}" number="1"/></notations>'

    bar = note("C4", last=slur("start")) + note("D4") + note("E4", last=slur("stop")) + note("F4")
    assert marked(bar)["slurred"].tolist() == [True, True, False, False]


def test_a_sudden_mark_changes_no_level():
    assert marked(dynamics("p") + note("C4", 2) + dynamics("sfz") + note("D4", 2))["level"].tolist() == [
        -1,
        -1,
    ]
