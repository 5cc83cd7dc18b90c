"""Films: the frames that go in come out, in order, at the speed that was asked for, and the film says what made it."""

import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from zoo.files import films
from zoo.files.errors import ZooError

ABOUT = {"generated": "by a GAN; not a photograph", "seed": 3, "checkpoint": "a<b>&\x1b"}


def frames(count: int = 12, channels: int = 1) -> list[Image.Image]:
    """A bright square that moves over a dark ground, one place with each frame."""
    pictures = np.full((count, 32, 64, channels), 20, np.uint8)
    for i, picture in enumerate(pictures):
        picture[8:24, 4 * i : 4 * i + 12] = 230
    return [Image.fromarray(picture[:, :, 0] if channels == 1 else picture) for picture in pictures]


def read(path) -> tuple[np.ndarray, float]:
    """The frames of a film as grey [N, H, W], and its frames per second."""
    if path.suffix == ".mp4":
        from imageio_ffmpeg import get_ffmpeg_exe

        command = [get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "gray", "-"]
        done = subprocess.run(command, capture_output=True, check=True)
        said = done.stderr.decode()
        width, height = map(int, re.search(r"Video: h264 .*?, (\d+)x(\d+)", said).groups())
        frames_per_second = float(re.search(r"([\d.]+) fps", said)[1])
        return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width), frames_per_second
    with Image.open(path) as film:
        assert film.info["loop"] == 0  # without end
        read, durations = [], []
        for i in range(film.n_frames):
            film.seek(i)
            film.load()
            read.append(np.asarray(film.convert("L")))
            durations.append(film.info["duration"])
        return np.stack(read), 1000 / np.mean(durations)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", films.FORMATS)
def test_the_frames_come_back(suffix, channels, tmp_path):
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")
    path, expected = tmp_path / f"film{suffix}", frames(channels=channels)
    films.write(iter(expected), path, about=ABOUT)
    found, fps = read(path)
    assert found.shape == (12, 32, 64)
    assert fps == pytest.approx(30, rel=0.12)  # a .gif has 33.3
    for image, frame in zip(found, expected, strict=True):
        assert np.abs(image.astype(int) - np.asarray(frame.convert("L"))).mean() < 4  # levels
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_another_speed(tmp_path):
    for suffix in (".gif", ".webp"):
        films.write(frames(), tmp_path / f"film{suffix}", fps=10)
        assert read(tmp_path / f"film{suffix}")[1] == pytest.approx(10)


@pytest.mark.parametrize("suffix", films.FORMATS)
def test_a_film_says_what_made_it(suffix, tmp_path):
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / f"film{suffix}"
    films.write(frames(), path, about=ABOUT)
    content = path.read_bytes()
    assert b"generated: by a GAN; not a photograph; seed: 3; checkpoint: a" in content
    assert b"\x1b" not in content.partition(b"checkpoint: a")[2][:20]
    if suffix == ".webp":
        assert b"checkpoint: a&lt;b&gt;&amp;\\x1b</rdf:li>" in content


def test_a_film_of_odd_size_gets_a_margin(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    films.write([frame.crop((0, 0, 63, 31)) for frame in frames()], tmp_path / "film.mp4")
    assert read(tmp_path / "film.mp4")[0].shape == (12, 32, 64)


def test_what_the_encoder_says_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setattr(films, "CRF", -7_000)
    with pytest.raises(ZooError, match=r"the encoder of \.mp4 films failed: .* Received: ") as caught:
        films.write(frames(), tmp_path / "film.mp4")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_bad_places_are_one_line(tmp_path, monkeypatch):
    for name in ("film.avi", "film", "film.MP4"):
        with pytest.raises(ZooError, match=r"films are written as \.gif, \.webp or \.mp4\. Received: "):
            films.write(frames(), tmp_path / name)
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(ZooError, match="folder of that name"):
        films.write(frames(), tmp_path / "folder.gif")
    monkeypatch.setattr(films, "find_spec", lambda name: None)
    with pytest.raises(ZooError, match=r"pip install 'keras-ganzoo\[film\]'.* Received: '.*film\.mp4'"):
        films.write(frames(), tmp_path / "film.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.gif"]


@pytest.mark.parametrize("suffix", films.FORMATS)
def test_an_error_in_the_middle_leaves_no_film(suffix, tmp_path):
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg")

    def broken():
        yield from frames(3)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        films.write(broken(), tmp_path / f"film{suffix}")
    assert not list(tmp_path.iterdir())
