"""ganzoo search from the command line: what it says, and what it refuses."""

import tomllib

import pytest
from click.testing import CliRunner

import zoo
from zoo.cli import main
from zoo.training.search.results import Results, Row
from zoo.training.search.worker import Search


def ganzoo(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result


@pytest.fixture
def called(monkeypatch, tmp_path):
    """What `zoo.search` is called with, instead of searching."""
    calls = []
    mark = {"images": 10, "seconds": 1.0, "kid": 0.05, "kid_error": 0.001, "recall": 0.5}

    def search(*arguments, **options):
        calls.append((arguments, options))
        return Search(
            tmp_path / "s", Results([Row(0, "done", "", [mark])]), stopped_by=options.get("seconds") == 1 and 2
        )

    monkeypatch.setattr(zoo, "search", search, raising=False)
    return calls


def test_its_options_reach_the_search(called, tmp_path):
    result = ganzoo(
        *("search", "quick-64", "--data", "my/images", "--for", "6h", "--set", "precision=float32"),
        *("--objective", "kid, recall", "--trial-images", 5_000, "--finalists", 1),
    )
    assert result.exit_code == 0, result.output
    ((recipe, out), options) = called[0]
    assert (recipe, out) == ("quick-64", None)
    assert options["overrides"] == {"data.source": "my/images", "precision": "float32"}
    assert options["objectives"] == ("kid", "recall")
    assert (options["seconds"], options["trial_images"], options["trial_seconds"]) == (21_600, 5_000, None)
    assert (options["trials"], options["finalists"]) == (None, 1)
    assert "the best is trial 0, with KID 0.0500 ± 0.0010. No other trial came to the end." in result.stderr
    assert f"ganzoo train {tmp_path / 's' / 'best.toml'}" in result.stderr


def test_ctrl_c_is_the_exit_status(called):
    assert ganzoo("search", "--resume", "search/mine", "--for", "1s").exit_code == 130
    assert called[0][0] == (None, "search/mine")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["search"], 2, "give either a RECIPE or --resume SEARCH."),
        (["search", "quick-64", "--resume", "s"], 2, "give either a RECIPE or --resume SEARCH."),
        (["search", "--resume", "s", "--set", "seed=1"], 2, "a search that goes on keeps its recipe"),
        (["search", "quick-64"], 1, "name a folder, a .zip, .npz or .npy file or a TFDS set with --data"),
        (["search", "quick-65", "--data", "x"], 1, "did you mean 'quick-64'"),
        (["search", "quick-64", "--data", "x", "--trials", "0"], 2, "0 is not in the range"),
        (["search", "quick-64", "--data", "x", "--for", "long"], 2, "write 30m, 2h, 90s or 1h30m"),
        (["search", "quick-64", "--data", "nowhere/at/all"], 1, "Received: 'nowhere/at/all'"),
        (["search", "quick-64", "--data", "x", "--space", "nowhere.toml", "--show-space"], 1, "does not exist"),
    ],
)
def test_what_is_wrong_is_one_clear_line(arguments, status, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = ganzoo(*arguments)
    assert result.exit_code == status
    assert words in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_space_that_is_shown_can_be_changed_and_given_back(tmp_path):
    shown = ganzoo("search", "quick-64", "--show-space", "--for", "6h")
    assert shown.exit_code == 0, shown.output
    table = tomllib.loads(shown.stdout)["search"]
    assert table["model.g_channels"] == {"choices": [10, 15, 20, 30]}
    assert table["optimizer.g.learning_rate"] == {"low": 1e-4, "high": 2.5e-3, "log": True}
    (tmp_path / "mine.toml").write_text(shown.stdout)
    again = ganzoo("search", "quick-64", "--show-space", "--space", tmp_path / "mine.toml")
    assert tomllib.loads(again.stdout)["search"] == table
    fixed = ganzoo("search", "quick-64", "--show-space", "--set", "schedule.batch_size=8")
    assert set(table) - set(tomllib.loads(fixed.stdout)["search"]) == {
        "model.g_channels",  # at equal images, widths are not searched
        "model.d_channels",
        "schedule.batch_size",
    }
