"""Files are replaced as a whole."""

import os

import pytest

from symbolic.replacing import replacing, write_whole


def broken(path):
    with replacing(path) as file:
        file.write(b"ne")
        raise ZeroDivisionError


def test_an_error_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "x.json"
    write_whole(path, b"old")
    with pytest.raises(ZeroDivisionError):
        broken(path)
    assert path.read_bytes() == b"old"
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_names_may_be_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("x" * 255)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_links_and_pipes_stay_what_they_are(tmp_path):
    write_whole(tmp_path / "real", b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", b"new")
    assert os.read(reader, 9) == b"new"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
