"""A reader never sees half a file or half a folder."""

import os
from pathlib import Path

from zoo.files.atomic import replacing_folder


def test_a_folder_that_another_process_writes_at_the_same_moment_is_replaced(tmp_path, monkeypatch):
    path, original = tmp_path / "store", os.replace

    def slower(source, target):
        if Path(target) == path and not path.exists():
            path.mkdir()
            (path / "theirs").touch()
        original(source, target)

    monkeypatch.setattr("os.replace", slower)
    with replacing_folder(path) as folder:
        (folder / "mine").touch()
    assert [file.name for file in path.iterdir()] == ["mine"]
    assert [file.name for file in tmp_path.iterdir()] == ["store"]
