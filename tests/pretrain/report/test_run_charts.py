"""Charts of a report and the notes of its piano roll, as data."""

import json

import numpy as np
import pytest
from made import tune

from pretrain.report.charts import calibration_chart, roll_data, run_charts, value_names
from pretrain.report.inspection import Inspection
from symbolic.music.notes import note_array
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS, PITCH, RESERVED, TIME_SIGNATURE, Vocabulary


def entry(step, selector=True, training=True, auxiliary=()):
    level = dict.fromkeys(FIELDS, step / 100)
    line = {"step": step, "held_out": {"accuracy": level, "loss": level}}
    if selector:
        names = ("correlation", "correlation_even", "correlation_odd", "correlation_within_windows")
        line["held_out"]["selector"] = {name: step / 100 + i for i, name in enumerate(names)}
    if training:
        line["training"] = {
            "loss": 2.0, "selector_loss": 0.5 if selector else 0.0, "mask_rate": 0.15, "tokens_touched": 0.15,
            "frozen_share": 0.0, "chosen_loss": dict.fromkeys(FIELDS, 1.0), "auxiliary": dict.fromkeys(auxiliary, 3.0),
        }  # fmt: skip
    return line


def record(*history):
    return {"history": list(history), "baselines": dict.fromkeys(FIELDS, 0.25)}


def lines(charts):
    return {(chart["title"], series["name"]): series for chart in charts for series in chart["series"]}


def test_lines_hold_the_numbers_of_the_record():
    found = lines(run_charts(record(entry(10), entry(20))))
    correlation = "Rank correlation of score and held-out loss"
    assert found[correlation, "even windows of a batch"]["x"] == [10, 20]
    assert found[correlation, "even windows of a batch"]["y"] == [1.1, 1.2]
    assert found["Loss of the backbone", "held out: tokens masked at random"]["y"] == [0.1, 0.2]
    assert found["Masked and frozen", "frozen tokens"]["y"] == [0.0, 0.0]


def test_missing_measurements_are_gaps():
    found = lines(run_charts(record(entry(0, training=False), entry(10))))
    assert found["Loss of the backbone", "training: the objective (fields weighted)"]["y"] == [None, 2.0]


def test_a_selector_without_network_has_no_charts():
    titles = [chart["title"] for chart in run_charts(record(entry(10, selector=False)))]
    assert titles == ["Loss of the backbone", "Masked and frozen"]


def test_auxiliary_losses_are_shown():
    found = lines(run_charts(record(entry(10, auxiliary=("interval",)))))
    assert found["Loss of the backbone", "training: interval"]["y"] == [3.0]


def test_calibration_follows_the_loss():
    score = np.random.default_rng(0).normal(size=5000)
    chart = calibration_chart(score, 3 + score)
    mean, tokens = chart["series"]
    np.testing.assert_allclose(mean["y"], 3 + np.array(mean["x"]), rtol=1e-2)
    assert len(tokens["x"]) < 5000
    assert all(np.diff(mean["x"]) > 0)
    assert all(np.less_equal(mean["low"], mean["y"]) & np.less_equal(mean["y"], mean["high"]))


@pytest.mark.parametrize("count", [0, 7])
def test_equal_scores_have_no_calibration(count):
    assert calibration_chart(np.full(count, 0.5), np.arange(count, dtype=float)) is None


def test_fewer_tokens_than_bins_get_a_bin_each():
    assert len(calibration_chart(np.arange(3.0), np.ones(3))["series"][0]["x"]) == 3


@pytest.fixture
def inspection():
    """Two notes, of which the first has its pitch chosen and recovered wrongly."""
    values = np.arange(16).reshape(2, 8)
    chosen = np.zeros((2, 8), dtype=bool)
    chosen[0, PITCH] = chosen[1, 0] = True
    return Inspection(
        note_array([0, 24], [16, 8], [60, 64]), 16, values, None, chosen, np.array([True, False]),
        np.full((2, 8), 1 / 3), values + 1, np.where(chosen, 9, -1),
    )  # fmt: skip


def test_roll_data_keep_every_column_note_by_note(inspection):
    shown = json.loads(json.dumps(roll_data(inspection, "key", "held out")))
    assert shown["onset"] == [0, 1.5]
    assert shown["length"] == [1, 0.5]
    assert shown["score"] is None
    assert [[f for f, one in enumerate(fields) if one] for fields in shown["chosen"]] == [[PITCH], [0]]
    assert shown["frozen"] == [1, 0]
    assert (shown["recovered"][0][PITCH], shown["recovered"][1][0], shown["recovered"][0][0]) == (9, 9, -1)
    assert shown["values"] == [list(range(8)), list(range(8, 16))]
    assert shown["predicted"] == [list(range(1, 9)), list(range(9, 17))]
    assert shown["loss"] == [[0.3333] * 8] * 2


def test_every_value_of_every_field_has_a_name():
    vocabulary = Vocabulary()
    names = value_names(vocabulary)
    assert tuple(map(len, names)) == vocabulary.values
    values = Tokenizer(vocabulary).encode(tune(0)).ids[0].astype(int) - RESERVED
    assert names[TIME_SIGNATURE][values[TIME_SIGNATURE]] == "4/4"
    assert names[PITCH][60] == "C4 (60)"
    assert names[PITCH][128 + 36] == "drum 36"
