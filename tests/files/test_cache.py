import pytest

from zoo.files.cache import cache
from zoo.files.errors import ZooError
from zoo.files.text import printable


def test_the_environment_or_the_home_folder_names_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "elsewhere"))
    assert cache("data") == tmp_path / "elsewhere" / "data"
    monkeypatch.delenv("GANZOO_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache("features") == tmp_path / ".cache" / "ganzoo" / "features"


def test_without_a_home_folder_the_remedy_is_named(monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE", "~nobody-has-this-name/cache")
    with pytest.raises(ZooError, match=r"no home folder .* set GANZOO_CACHE to a folder\. Received: '~nobody"):
        cache("data")


def test_text_that_a_terminal_would_obey_becomes_escapes():
    assert printable("Zoë's 画像.png") == "Zoë's 画像.png"
    assert printable("a\n\x1b[31mb\u202ec\u009bd\udc80") == r"a\n\x1b[31mb\u202ec\u009bd\udc80"
