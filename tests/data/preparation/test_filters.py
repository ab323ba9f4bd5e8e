import numpy as np
import pytest
from dirty import midi, scale, track
from made import tune, write_tunes
from prepared import ledger, reasons, run, write_spoilt

from data.corpora.folder import FolderCorpus
from data.preparation.prepare import Filters
from symbolic.errors import ConfigError
from symbolic.music.files import MAX_BYTES
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokens.vocabulary import DURATION

BAND = Music(
    note_array(np.arange(20) * 240, 240, 60, 80, np.tile([0, 0, 33, 40, DRUM_PROGRAM], 4)),
    480,
    time_signatures=np.array([[0, 3, 4], [1440, 6, 8], [99_999, 5, 4]]),
    tempos=np.array([[0.0, 60.0]]),
)
"""Ten quarters, ten seconds; a piano, a bass, a violin and drums, in 3/4 and 6/8."""


def test_filters_decide_what_is_kept(tmp_path):
    spoilt = write_spoilt(tmp_path)
    filters = Filters(min_notes=1, drum_only=True)
    run(FolderCorpus(spoilt), tmp_path / "out", filters=filters)
    assert set(reasons(tmp_path / "out")) == {
        "corrupt.mid",
        "empty.mid",
        "truncated.mid",
        "score.musicxml",
        "silent.mid",
        "bars.mid",
    }


def test_impossible_filters_are_all_named():
    with pytest.raises(ConfigError) as caught:
        Filters(min_notes=0, max_bytes=-1, drum_only=True, keep_drums=False)
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigError, match="min_notes 9 exceeds max_notes 8"):
        Filters(min_notes=9, max_notes=8)
    with pytest.raises(ConfigError) as caught:
        Filters(
            min_seconds=9,
            max_seconds=8,
            programs=(0, 128),
            need_programs=(129, 5),
            time_signatures=("4", "0/4", "3/4"),
        )
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == [
        "filters.min_seconds",
        "filters.programs",
        "filters.need_programs",
        "filters.need_programs",
        "filters.time_signatures",
    ]


@pytest.mark.parametrize(
    ("filters", "kind"),
    [
        (Filters(), ""),
        (Filters(need_drums=True), ""),
        (Filters(programs=(0, 33, 40)), ""),
        (Filters(programs=(0, 33)), "other instruments: programs 40, which the filter does not allow"),
        (Filters(need_programs=(0, 128)), ""),
        (Filters(need_programs=(0, 1, 7)), "missing instruments: programs 1, 7, which the filter asks for"),
        (Filters(min_seconds=10, max_seconds=10, min_quarters=10, max_quarters=10), ""),
        (Filters(min_seconds=10.1), "too brief: 10.0 seconds, the filter asks for 10.1"),
        (Filters(max_quarters=9), "too lengthy: 10.0 quarters, the filter allows 9"),
        (Filters(min_notes=17, keep_drums=False), "too short: 16 notes, the filter asks for 17"),
    ],
)
def test_each_filter_names_its_reason(filters, kind):
    assert filters.refusal(BAND) == kind


def test_drums_may_be_asked_for():
    assert Filters(need_drums=True).refusal(tune(1)) == "no drums: the filter asks for pieces with drums"


def test_metres_are_those_that_sound():
    assert Filters().metre_refusal(BAND) == ""
    assert Filters(time_signatures=("3/4", "6/8")).metre_refusal(BAND) == ""
    refusal = Filters(time_signatures=("3/4",)).metre_refusal(BAND)
    assert refusal == "other metre: 3/4, 6/8, the filter allows 3/4"
    twice = np.array([[0, 3, 4], [1440, 6, 8], [1440, 3, 4]])  # of two at once the last holds
    assert (
        Filters(time_signatures=("3/4",)).metre_refusal(Music(BAND.notes, 480, time_signatures=twice)) == ""
    )
    late = Music(BAND.notes, 480, time_signatures=np.array([[480, 3, 4]]))
    assert (
        Filters(time_signatures=("3/4",)).metre_refusal(late)
        == "other metre: 3/4, 4/4, the filter allows 3/4"
    )
    odd = Music(BAND.notes, 480, time_signatures=np.array([[0, 0, 4]]))
    assert Filters(time_signatures=("4/4",)).metre_refusal(odd) == ""


def test_skipped_pieces_are_counted_by_reason(tmp_path):
    music = write_tunes(tmp_path / "music", 3)
    write_midi(BAND, music / "band.mid")
    filters = Filters(time_signatures=("4/4", "2/4"), programs=(0,))
    for _ in range(2):  # the second finds its own settings, tuples and all
        shards = run(FolderCorpus(music), tmp_path / "out", filters=filters)
    assert shards.manifest["totals"]["skipped"] == {"other instruments": 1}
    assert len(ledger(tmp_path / "out")) == 4


def test_files_are_as_large_as_for_a_reader_alone():
    assert Filters.max_bytes == MAX_BYTES


def test_the_pedal_changes_what_is_prepared(tmp_path):
    events = [(0, b"\xb0\x40\x7f"), *scale(), (480, b"\xb0\x40\x00")]
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.mid").write_bytes(midi(track(*events)))
    short, long = (
        run(FolderCorpus(tmp_path / "music"), tmp_path / pedal, filters=Filters(pedal=pedal)).tokens(0, 12)
        for pedal in ("keep", "extend")
    )
    assert (long[:, DURATION] > short[:, DURATION]).all()


def test_ways_of_the_pedal_are_named():
    with pytest.raises(ConfigError, match="keep, extend"):
        Filters(pedal="down")
