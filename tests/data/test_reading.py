import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from making import noise, save
from PIL import Image, PngImagePlugin

from zoo import data
from zoo.data import reading
from zoo.files.errors import ZooError

# --- images in their own size -------------------------------------------------------------------------------


def test_both_readers_see_the_same_pixels(tmp_path, prepare):
    root, pixels = tmp_path / "set", noise(12, 12, 3)
    save(root / "a.png", pixels)
    save(root / "b.png", np.dstack([pixels, noise(12, 12)]))
    save(root / "c", pixels, format="BMP")
    save(root / "d.PNG", Image.fromarray(pixels).quantize(16))
    save(root / ".ipynb_checkpoints" / "a-checkpoint.png", noise(12, 12, 3))
    images = data.read_images(root)
    assert images.dtype == np.uint8 and len(images) == 4
    np.testing.assert_array_equal(images, prepare(root, resolution=12).images)


@pytest.mark.parametrize("shape", [(5, 8, 6, 3), (5, 8, 6), (5, 8, 6, 1)])
def test_arrays_come_back_as_they_are(tmp_path, shape):
    np.save(tmp_path / "set.npy", noise(*shape))
    np.savez(tmp_path / "set.npz", noise(*shape))
    for name in ("set.npy", "set.npz"):
        images = data.read_images(tmp_path / name)
        np.testing.assert_array_equal(images, noise(*shape).reshape(5, 8, 6, -1))


def test_nothing_is_left_out_of_what_is_to_be_judged(tmp_path, said):
    for i, pixels in enumerate(noise(4, 32, 32)):
        save(tmp_path / "set" / f"{i}.png", pixels)
    (tmp_path / "set" / "samples.json").write_text("{}")
    assert data.read_images(tmp_path / "set").shape == (4, 32, 32, 1)
    assert said == ["4 images were read, 1 left out: samples.json (not an image of a known format)"]
    (tmp_path / "set" / "4.png").write_bytes((tmp_path / "set" / "3.png").read_bytes()[:60])
    with pytest.raises(ZooError, match=r"an image cannot be read \(.*\); remove it\. Received: '4\.png'"):
        data.read_images(tmp_path / "set")
    for wrong, shape in ((noise(16, 16), r"\(16, 16, 1\)"), (noise(32, 32, 3), r"\(32, 32, 3\)")):
        save(tmp_path / "set" / "4.png", wrong)
        with pytest.raises(ZooError, match=rf"one size .*\(32, 32, 1\)\. Received: {shape} in '4\.png'"):
            data.read_images(tmp_path / "set")


def test_images_of_only_0_and_1_are_refused(tmp_path):
    save(tmp_path / "set" / "0.png", noise(8, 8) // 128)
    for read in (data.read_images, lambda path: data.prepare(path, resolution=8, channels=1)):
        with pytest.raises(ZooError, match=r"multiply them by 255\. Received: '.*set'"):
            read(tmp_path / "set")


def test_an_archive_that_unpacks_to_more_than_the_disk_holds_is_refused_before_it_is_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "set.npz", images=np.zeros((300, 1024, 1024), np.uint8))
    monkeypatch.setattr(reading.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**28))
    with pytest.raises(ZooError, match=r"take 0\.3 GiB, and .* has 0\.2 GiB free; set TMPDIR .* Received: .*set\.npz"):
        data.read_images(tmp_path / "set.npz")


def test_is_images(tmp_path):
    save(tmp_path / "set" / "deep" / "A.PNG", noise(8, 8))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    for name, expected in {
        "set": True,
        "texts": False,
        "no.npz": True,
        "SET.ZIP/train": True,
        "dcgan-cifar10": False,
    }.items():
        assert data.is_images(tmp_path / name) == expected, name


# --- what Pillow would pass over ----------------------------------------------------------------------------


def test_further_frames_are_said(tmp_path, prepare):
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (10, 100, 200)]
    for name in ("a.gif", "b.png", "c.tif", "d.webp"):
        save(tmp_path / "set" / name, frames[0], save_all=True, append_images=frames[1:])
    save(tmp_path / "set" / "e.png", frames[0])
    store = prepare(tmp_path / "set")
    assert store.skipped == tuple((name, "2 of its 3 frames") for name in ("a.gif", "b.png", "c.tif", "d.webp"))
    np.testing.assert_allclose(store.images, 10, atol=1)
    assert prepare.said[0].startswith("5 images were read, 4 left out: a.gif (2 of its 3 frames), ")


def test_a_png_may_carry_megabytes_of_text(tmp_path, prepare):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "x" * (3 << 20), zip=True)
    save(tmp_path / "set" / "a.png", noise(8, 8, 3), pnginfo=info)
    before = PngImagePlugin.MAX_TEXT_CHUNK, Image.core.get_block_size()
    store = prepare(tmp_path / "set")
    np.testing.assert_array_equal(store.images[0], noise(8, 8, 3))
    assert store.skipped == () and before == (PngImagePlugin.MAX_TEXT_CHUNK, Image.core.get_block_size())


# --- memory -------------------------------------------------------------------------------------------------


def test_images_that_are_decoded_at_once_stay_within_the_budget():
    budget, lock, inside, most = reading._Budget(100), threading.Lock(), [], []

    def decode(pixels):
        with budget(pixels):
            with lock:
                inside.append(pixels)
                most.append(sum(inside))
            time.sleep(0.001)
            with lock:
                inside.remove(pixels)

    threads = [threading.Thread(target=decode, args=(40,)) for _ in range(20)]
    threads += [threading.Thread(target=decode, args=(1000,))]  # larger than the whole: it goes alone
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 21 and set(most) == {40, 80, 1000}


SCRIPT = """
from pathlib import Path
from zoo import data
assert len(data.prepare("large", resolution=64, channels=3).images) == 8
print(*(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.slow  # eight images of 88 million pixels each
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process what it held")
def test_eight_very_large_pngs_take_little_memory(tmp_path):
    large = Image.new("RGB", (9_400, 9_400), (200, 100, 50))
    for i in range(8):
        save(tmp_path / "large" / f"{i}.png", large, compress_level=1)
    environment = os.environ | {"GANZOO_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) / 1024 < 700  # MiB; they were 2,700


def test_the_budget_is_given_back_after_an_error():
    budget = reading._Budget(100)
    for _ in range(3):
        with pytest.raises(OSError), budget(80):
            raise OSError
    with budget(100):
        pass
