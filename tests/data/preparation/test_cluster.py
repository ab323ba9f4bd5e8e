"""The same preparation on a Ray of two processes on this machine."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from made import contents, write_tunes
from prepared import Moody, reasons, run

from data.corpora.folder import FolderCorpus
from data.preparation.prepare import Filters
from symbolic.errors import ConfigError


@pytest.fixture(scope="module")
def cluster():
    """Two processes; small enough for a small machine."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'counterpoint-smu[ray]'")
    paths = os.pathsep.join(str(Path(__file__).parents[up]) for up in (2, 3))
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=80 * 2**20,
        runtime_env={"env_vars": {"PYTHONPATH": paths}},
    )
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_ray_gives_the_same_bytes(cluster, tmp_path):
    music = write_tunes(tmp_path / "music", 50)
    (music / "bad.mid").write_bytes(b"bad")
    run(FolderCorpus(music), tmp_path / "here")
    run(FolderCorpus(music), tmp_path / "there", engine="ray")
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@pytest.mark.slow
def test_a_file_that_kills_on_ray_costs_itself_alone(cluster, tmp_path):
    music = write_tunes(tmp_path / "music", 20)
    for mood in ("kill", "deaf"):
        shutil.copy(music / "t000.mid", music / f"{mood}.mid")
    shards = run(Moody(music), tmp_path / "out", engine="ray", jobs=1, filters=Filters(read_seconds=2.0))
    assert len(shards.pieces) == 20
    assert {key: reason.partition(":")[0] for key, reason in reasons(tmp_path / "out").items()} == {
        "kill.mid": "killed",
        "deaf.mid": "too slow",
    }


def test_without_ray_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    music = write_tunes(tmp_path / "music", 1)
    with pytest.raises(
        ConfigError, match=r"needs Ray\. Install it with `pip install 'counterpoint-smu\[ray\]'`"
    ):
        run(FolderCorpus(music), tmp_path / "out", engine="ray")
    with pytest.raises(ConfigError, match="No engine is called 'spark'; there are local and ray"):
        run(FolderCorpus(music), tmp_path / "out", engine="spark")
