"""Readers of labelled corpora on real files."""

import json
import tarfile
from collections import Counter, defaultdict

import numpy as np
import pytest
from made import CACHE, DATA, needs

from data.corpora import open_corpus
from data.corpora.archives import CACHE_VARIABLE
from data.corpora.asap import SCORE, hand_labels, read_alignment
from data.corpora.beats import BEATS, beat_labels, read_annotation
from data.corpora.groove import GrooveCorpus
from data.corpora.nottingham import NottinghamCorpus, dance_of
from data.corpora.openscore import part_of
from data.corpora.symbtr import SymbtrCorpus
from data.preparation.prepare import Filters, prepare
from symbolic.errors import ConfigError, CorpusError, MusicFileError
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.predict.tonality import TONAL_CLASSES, chord_mode, key_mode
from symbolic.tokens.tokenizer import Tokenizer


@pytest.fixture(autouse=True, scope="module")
def unpacked():
    """The real corpora, their archives unpacked into the tests' own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(CACHE))
        yield


def ledger(folder):
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["pianist8", "emopia"])
def test_folds_hold_out_every_piece_once_and_tear_no_song(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"no '{name}' in {DATA.name}; set COUNTERPOINT_DATA")
    tested = Counter()
    label = "composer" if name == "pianist8" else "emotion"
    for fold in range(5):
        pieces = open_corpus(name, DATA, fold=fold).pieces()
        sides = defaultdict(set)
        for piece in pieces:
            sides[piece.group].add(piece.split)
        assert all(len(found) == 1 for found in sides.values())
        counts = Counter(piece.split for piece in pieces)
        assert counts["test"] == pytest.approx(len(pieces) / 5, abs=1)
        assert counts["valid"] == pytest.approx(len(pieces) / 5, abs=1)
        of_label = Counter(piece.labels[label] for piece in pieces)
        in_test = Counter(piece.labels[label] for piece in pieces if piece.split == "test")
        assert all(abs(in_test[value] - count / 5) < 1.5 for value, count in of_label.items())
        tested.update(piece.key for piece in pieces if piece.split == "test")
        assert open_corpus(name, DATA, fold=fold).options() == {"fold": fold}
    assert set(tested.values()) == {1}
    assert len(tested) == len(pieces)


@pytest.mark.parametrize("fold", [-1, 5, "2"])
def test_folds_that_are_not_are_refused(fold):
    with pytest.raises(ConfigError, match=rf"fold is {fold}; corpus 'pianist8' has folds 0 to 4"):
        open_corpus("pianist8", DATA, fold=fold)


@needs("asap")
def test_a_score_and_its_performances_are_on_one_side():
    scores, played = (open_corpus(f"asap_{kind}", DATA).pieces() for kind in ("scores", "performances"))
    side = {piece.key.rpartition("/")[0]: piece.split for piece in scores}
    assert all(piece.file.endswith(SCORE) for piece in scores)
    assert all(side[piece.key.rpartition("/")[0]] == piece.split for piece in played)
    assert Counter(piece.split for piece in played) == {
        "train": 815,
        "valid": 131,
        "test": 116,
        "excluded": 4,
    }
    torn = [piece.reason for piece in played if piece.split == "excluded"]
    assert set(torn) == {"the same song as Schumann/Toccata_repeat/WangY07M, which is in test"}
    assert played[0].labels == {"composer": "Bach", "metre": "4/4"}


@needs("asap")
def test_asap_labels_hands_and_annotated_beats():
    scores, played = (open_corpus(f"asap_{kind}", DATA) for kind in ("scores", "performances"))
    score = next(p for p in scores.pieces() if p.key == "Bach/Fugue/bwv_846/midi_score")
    music = scores.read(score)
    reading = scores.interpret(score, music)
    right, left = (music.notes["pitch"][reading.note_labels["hand"] == hand].mean() for hand in (0, 1))
    assert right > left + 6
    assert set(reading.music.notes["track"]) == set(reading.music.notes["program"]) == {0}
    pieces = {piece.key: piece for piece in played.pieces()}
    fugue = pieces["Bach/Fugue/bwv_846/Shi05M"]
    beats = played.interpret(fugue, played.read(fugue)).note_labels["beat"]
    assert np.bincount(beats + 1).tolist() == [1, 69, 186, 498]
    unmarked = pieces["Beethoven/Piano_Sonatas/32-1_no_repeat/Faliks01"]
    assert "metre" not in unmarked.labels
    assert set(played.interpret(unmarked, played.read(unmarked)).note_labels["beat"]) == {-1}


def test_staves_are_hands_only_where_there_are_two():
    notes = note_array([0, 0, 1], 1, [60, 40, 64], 64, 0, [3, 5, 3])
    assert hand_labels(Music(notes, 1)).tolist() == [0, 1, 0]
    assert hand_labels(Music(notes[::2], 1)).tolist() == [-1, -1]


ANNOTATION = "1.0\t1.0\tb,3/4,-1\n2.0\t2.0\tdb\n3.0\t3.0\tb\n4.0\t4.0\tbR\n5.0\t5.0\tdb,3/4\n6.0\t6.0\tb\n"


def played(seconds):
    return Music(note_array(np.rint(np.array(seconds) * 2000).astype(int), 100, 60), 1000)  # 120 a minute


def test_notes_near_a_marked_beat_begin_on_it(tmp_path):
    path = tmp_path / "annotations.txt"
    path.write_text(ANNOTATION)
    annotation = read_annotation(path)
    assert annotation.time_signatures == ("3/4",)
    found = beat_labels(played([0.5, 0.95, 1.06, 1.5, 2.0, 2.08, 3.0, 5.0, 5.5, 6.05, 6.2]), annotation)
    assert [BEATS[c] if c >= 0 else "" for c in found] == [
        *("", "beat", "beat", "between", "downbeat", "between", "beat", "downbeat", "between", "beat", ""),
    ]


def test_notes_next_to_an_unsure_beat_are_unlabelled(tmp_path):
    path = tmp_path / "annotations.txt"
    path.write_text(ANNOTATION)
    assert beat_labels(played([3.0, 3.5, 4.0, 4.5, 5.0]), read_annotation(path)).tolist() == [
        1,
        -1,
        -1,
        -1,
        0,
    ]
    path.write_text("1.0\t1.0\tdb,4/4,0\n2.0\t2.0\tdb,3/4\n")
    assert read_annotation(path).time_signatures == ("4/4", "3/4")
    path.write_text("")
    assert beat_labels(played([1.0]), read_annotation(path)).tolist() == [-1]


@pytest.mark.parametrize("text", ["1.0\n", "x\tx\tdb\n", None])
def test_damaged_annotations_are_refused(tmp_path, text):
    path = tmp_path / "annotations.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(MusicFileError, match=r"annotations\.txt: its beats cannot be read"):
        read_annotation(path)


@pytest.mark.parametrize(
    ("symbol", "mode"),
    [("C:maj", 0), ("Bb:min7/5", 22), ("F#:7", 6), ("A:minmaj7", 21), ("Cb:maj6", 11)]
    + [(symbol, None) for symbol in ("N", "C:sus4(b7)", "C:dim", "C:hdim7", "C:aug", "H:maj")],
)
def test_chord_symbols_give_root_and_mode(symbol, mode):
    assert chord_mode(symbol) == mode


@pytest.mark.parametrize(
    ("text", "mode"), [("D", 2), ("Am", 21), ("Bb ", 10), ("F# minor", 18), ("Gmix", None), ("none", None)]
)
def test_keys_of_abc_files_give_tonic_and_mode(text, mode):
    assert key_mode(text) == mode


@needs("nottingham")
def test_nottingham_labels_degrees_of_tunes_with_one_key():
    corpus = NottinghamCorpus(DATA)
    pieces = {piece.key: piece for piece in corpus.pieces()}
    labels = {}
    for key in ("jigs10", "jigs1"):  # in E minor; from one key to another
        music = corpus.read(pieces[key])
        labels[key] = corpus.interpret(pieces[key], music).note_labels["key"]
        assert corpus.sources(pieces[key])[1] == "ABC_cleaned/jigs.abc"
    assert set(labels["jigs1"]) == {-1}
    names = Counter(TONAL_CLASSES[c] for c in labels["jigs10"])
    assert {name for name, _ in names.most_common(3)} == {"minor 1", "minor b3", "minor 5"}


@needs("asap")
def test_asap_alignments_lead_from_performed_notes_to_the_score(tmp_path):
    corpus = open_corpus("asap_performances", DATA)
    piece = next(p for p in corpus.pieces() if p.key == "Bach/Fugue/bwv_846/Shi05M")
    music = corpus.read(piece)
    name = f"asap_note_alignments/{piece.key}_note_alignments/note_alignment.tsv"
    with tarfile.open(DATA / "asap" / "asap_note_alignments.tar.xz") as archive:
        member = next(member for member in archive if member.name == name)  # it comes first: little to unpack
        archive.extract(member, tmp_path, filter="data")
    pairs = read_alignment(tmp_path / name, music)
    assert sorted(pairs["note"][pairs["note"] >= 0]) == list(range(len(music)))
    assert (pairs["note"] < 0).sum() == 13
    first = music.notes[pairs["note"][0]]
    assert (pairs["score"][0], first["pitch"]) == ("n2-1", 60)
    assert music.seconds(np.array([first["onset"]]))[0] == pytest.approx(0.5)


def test_an_absent_alignment_is_reported_by_name(tmp_path):
    folder = tmp_path / "asap" / "Bach" / "Fugue" / "bwv_846"
    (folder / "Shi05M_note_alignments").mkdir(parents=True)
    for name in (SCORE, "Shi05M.mid", "Other.mid"):
        write_midi(Music(note_array([0, 480], 480, [60, 64]), 480), folder / name)
    (folder / "Shi05M_note_alignments" / "note_alignment.tsv").write_text(
        "xml_id\tmidi_id\ttrack\tchannel\tpitch\tonset\nn7-1\tn1\t0\t0\t64\t0.5\n"
    )
    corpus = open_corpus("asap_performances", tmp_path)
    other, known = corpus.pieces()
    assert corpus.alignment(known, corpus.read(known)).tolist() == [("n7-1", 1)]
    with pytest.raises(MusicFileError, match=r"Other_note_alignments.*no alignment of 2 notes"):
        corpus.alignment(other, corpus.read(other))
    assert other.reason == "not in the split table"


def test_alignments_of_other_notes_are_refused(tmp_path):
    path = tmp_path / "note_alignment.tsv"
    music = Music(note_array([0, 480, 480], 480, [60, 67, 64]), 480)
    header = "xml_id\tmidi_id\ttrack\tchannel\tpitch\tonset\n"
    path.write_text(header + "n1-1\tn1\t0\t0\t64\t0.5\nn2-1\tdeletion\ninsertion\tn2\t0\t0\t67\t0.5\n")
    assert read_alignment(path, music).tolist() == [("n1-1", 2), ("n2-1", -1), ("", 1)]
    for line in ("n1-1\tn0\t0\t0\t61\t0\n", "n1-1\tn3\t0\t0\t60\t0\n", "n1-1\n", "n1-1\tx\t0\t0\t60\t0\n"):
        path.write_text(header + line)
        with pytest.raises(MusicFileError, match=r"no alignment of 3 notes .* Get alignment and performance"):
            read_alignment(path, music)
    with pytest.raises(MusicFileError, match="no alignment of 3 notes"):
        read_alignment(tmp_path / "none.tsv", music)


@needs("symbtr")
def test_the_empty_files_of_symbtr_go_to_the_ledger(tmp_path):
    corpus = SymbtrCorpus(DATA)
    pieces = corpus.pieces()
    empty = [piece for piece in pieces if len(corpus.read(piece)) == 0]
    assert len(empty) == 177

    class Few(SymbtrCorpus):
        def pieces(self):
            return [pieces[0], *empty[:2]]

    prepare(Few(DATA), tmp_path / "shards", Tokenizer(), jobs=0, progress=False)
    assert [line["status"] for line in ledger(tmp_path / "shards")] == ["kept", "skipped", "skipped"]
    assert ledger(tmp_path / "shards")[1]["reason"] == "empty: it holds no notes"


@needs("symbtr")
def test_symbtr_labels_come_from_file_names():
    pieces = {piece.key: piece for piece in SymbtrCorpus(DATA).pieces()}
    piece = pieces["acem--ilahi--duyek--aldanma_dunya--zekai_dede"]
    assert piece.labels == {"makam": "acem", "form": "ilahi", "usul": "duyek"}
    assert piece.group == "aldanma_dunya--zekai_dede"
    assert not any(piece.group for key, piece in pieces.items() if key.split("--")[3] in ("", "1", "2"))


@needs("openewld")
def test_lead_sheets_with_malformed_containers_are_read():
    corpus = open_corpus("openewld", DATA)
    pieces = {piece.key: piece for piece in corpus.pieces()}
    piece = pieces["A._Emmett_Adams-Douglas_Furber/The_Bells_of_St._Mary's"]
    assert piece.labels == {"genre": "Rock"}
    assert len(corpus.read(piece)) == 94
    assert Counter("genre" in piece.labels for piece in pieces.values()) == {True: 483, False: 19}


@needs("openscore_lieder")
def test_lieder_mark_voice_and_accompaniment_in_labels_alone():
    corpus = open_corpus("openscore_lieder", DATA)
    piece = next(p for p in corpus.pieces() if p.key == "lc6583477")
    music = corpus.read(piece)
    reading = corpus.interpret(piece, music)
    assert piece.labels == {"composer": "Abbott, Jane Bingham"}
    assert music.tracks == ("Voice", "Piano")
    assert np.bincount(reading.note_labels["part"]).tolist() == [102, 483]
    assert set(reading.music.notes["track"]) == set(reading.music.notes["program"]) == {0}


@pytest.mark.parametrize(
    ("track", "part"),
    [
        ("Singstimme Voice", "voice"),
        ("CHANT.", "voice"),
        ("1st Bass", "voice"),
        ("Ténors", "voice"),
        ("B", "voice"),
        ("Klavier Piano", "accompaniment"),
        ("Piano (or Harp)", "accompaniment"),
        ("Piano for practice only", ""),
        ("Horn (bass clef) in C", ""),
        ("Soprano Recorder", ""),
        ("Flute", ""),
    ],
)
def test_parts_are_found_by_their_names(track, part):
    assert part_of(track) == part


@needs("groove")
def test_groove_is_kept_where_drums_alone_are_asked_for(tmp_path):
    takes = GrooveCorpus(DATA).pieces()[:4]

    class Few(GrooveCorpus):
        def pieces(self):
            return takes

    shards = prepare(
        Few(DATA), tmp_path / "drums", Tokenizer(), jobs=0, progress=False, filters=Filters(drum_only=True)
    )
    assert [line["status"] for line in ledger(tmp_path / "drums")] == ["kept"] * 4
    assert set(shards.note_labels("velocity")) <= set(range(6))
    assert takes[0].labels == {"style": "soul", "kind": "beat"}


@needs("giantmidi_sample")
def test_versions_of_a_work_are_one_group_with_its_composer():
    works = defaultdict(list)
    for piece in open_corpus("giantmidi_sample", DATA).pieces():
        works[piece.group].append(piece)
    assert all(len({piece.labels["composer"] for piece in pieces}) == 1 for pieces in works.values())
    sonata = works["Brahms_Johannes_Piano_Sonata_No2_Op2"]
    assert len(sonata) == 3 * 4, "three versions of four movements"
    assert sonata[0].labels == {"composer": "Brahms"}


@needs("humdrum_sapp")
def test_settings_of_one_hymn_are_one_group():
    pieces = {piece.key: piece for piece in open_corpus("humdrum_sapp", DATA).pieces()}
    assert pieces["chor001"].group == "Bach: Aus meines Herzens Grunde"
    assert Counter(p.labels["composer"] for p in pieces.values()) == {"Bach": 370, "Joplin": 47}
    assert max(Counter(p.group for p in pieces.values()).values()) > 2


@needs("openscore_quartets")
def test_movements_of_a_quartet_are_one_group():
    groups = Counter(piece.group for piece in open_corpus("openscore_quartets", DATA).pieces())
    assert sorted(groups.values())[-2:] == [4, 4]


def test_absent_corpora_say_where_to_get_them(tmp_path):
    with pytest.raises(
        CorpusError, match=r"'openscore_lieder/openscore_lieder_midi\.tar\.xz'.*OpenScore/Lieder"
    ):
        open_corpus("openscore_lieder", tmp_path)


@needs("nottingham")
def test_nottingham_reads_full_tunes_with_their_dance():
    corpus = NottinghamCorpus(DATA)
    pieces = {piece.key: piece for piece in corpus.pieces()}
    assert len(pieces) == 1034
    assert pieces["jigs1"].labels == {"dance": "jig"}
    assert pieces["ashover1"].labels == {}
    assert len(np.unique(corpus.read(pieces["jigs1"]).notes["track"])) == 2
    assert corpus.tune_titles()["hpps1"] == "Aunt Hessie's White Horse"


@pytest.mark.parametrize(
    ("key", "dance"),
    [("reelsa-c3", "reel"), ("hpps1", "hornpipe"), ("waltzes2", "waltz"), ("slip1", None), ("xmas1", None)],
)
def test_dances_are_found_by_the_kind_of_tune(key, dance):
    assert dance_of(key) == dance
