"""The page to play with generators, in a real browser without a window: Chromium, through Playwright."""

import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import zoo
from zoo.cli import main
from zoo.files.errors import ZooError
from zoo.publish import demo

pytest.importorskip("gradio")
pytestmark = pytest.mark.filterwarnings("default")  # of Gradio and its server

NAMES = ("dcgan-fashion-mnist", "stylegan-lite-fashion-mnist", "dcgan-cond-fashion-mnist")
LOADED = "[...document.querySelectorAll('img')].filter(image => image.complete && image.naturalWidth == {}).length > 0"


def test_without_gradio_it_is_one_line(monkeypatch):
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["demo", "dcgan-fashion-mnist"])
    assert result.exit_code == 1
    assert re.fullmatch(
        r"Error: the page needs Gradio: pip install 'keras-ganzoo\[demo\]'\. Received: .*\n", result.stderr
    )


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ZooError, match=rf"the port cannot be had \(.*\); name another .* Received: {port}$"):
            zoo.demo("dcgan-fashion-mnist", port=port)
    with pytest.raises(ZooError, match="Received: 70000"):
        zoo.demo("dcgan-fashion-mnist", port=70_000)


def test_names_are_checked_before_the_page_opens():
    with pytest.raises(ZooError, match="name at least one checkpoint: " + ", ".join(zoo.list_checkpoints())):
        zoo.demo()
    for names in (["dcgan-fashion"], ["dcgan-fashion-mnist", "dcgan-fashion"]):
        with pytest.raises(ZooError, match="no checkpoint of that name"):
            zoo.demo(*names)


@contextmanager
def served(*names, refresh=10):
    """The address of a page, served by the command in a process of its own; Ctrl-C ends it, and no error was met.

    A projection has few steps, so that a test need not wait long for it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = (
        "import functools, zoo; from zoo.publish import page; from zoo.cli import main; "
        "from zoo.evaluation import projection; projection.POLISHING_STEPS = projection.POLISHED = 2; "
        f"page.REFRESH = {refresh}; zoo.project = functools.partial(zoo.project, steps=3); main()"
    )
    command = [sys.executable, "-c", start, "demo", *names, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            if not any(f"http://127.0.0.1:{port}" in line for line in server.stdout):
                pytest.fail("the page did not open")
            yield f"http://127.0.0.1:{port}/"
            server.send_signal(signal.SIGINT)
            said, _ = server.communicate(timeout=30)
        finally:
            server.kill()  # one that ignores the signal would be waited for without end
        assert "Traceback" not in said


@pytest.fixture(scope="module")
def address():
    """The page of three checkpoints."""
    with served(*NAMES) as address:
        yield address


@pytest.fixture(scope="module")
def views():
    """What the page of these checkpoints is to show."""
    from zoo.publish.views import Views

    return Views(NAMES, None)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, address):
    """The page as it is once its first grid is there; it asked nobody else for anything, and logged no error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.wait_for_function(LOADED.format(512))
    yield page
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)
    assert not errors
    context.close()


def image(width: int) -> str:
    """The first picture of this width that can be seen, in JavaScript."""
    seen = f"image.complete && image.naturalWidth == {width} && image.offsetParent"
    return f"[...document.querySelectorAll('img')].find(image => {seen})"


def shown(page, width: int = 512) -> str:
    """The address of the first picture of this width, which changes with it; one that is being redrawn is awaited."""
    return page.wait_for_function(f"({image(width)})?.src").json_value()


def changes(page, before: str, width: int = 512) -> None:
    page.wait_for_function(f"({image(width)})?.src != {before!r} && ({image(width)})?.src")


def pixels(page, width: int = 512) -> np.ndarray:
    """The grey levels of the first picture of this width, [H, W]; nothing where it is not there yet."""
    levels = page.evaluate(
        f"""() => {{
            const image = {image(width)}
            if (!image) return []
            const [width, height] = [image.naturalWidth, image.naturalHeight]
            const context = new OffscreenCanvas(width, height).getContext('2d')
            context.drawImage(image, 0, 0)
            return [...context.getImageData(0, 0, width, height).data].filter((_, i) => i % 4 == 0)
        }}"""
    )
    return np.array(levels, int).reshape(-1, width)


def shows(page, file: str) -> None:
    """Waits until the page shows the picture of a file, up to a grey level."""
    with Image.open(file) as opened:
        expected = np.asarray(opened, int)
    for _ in range(100):
        found = pixels(page, expected.shape[1])
        if found.shape == expected.shape and np.abs(found - expected).max() <= 1:
            return
        page.wait_for_timeout(200)
    pytest.fail(f"the page does not show {file}")


def set_number(page, label: str, value: float) -> None:
    box = page.get_by_label(f"number input for {label}")
    box.fill(str(value))
    box.press("Enter")


def set_seed(page, seed: int) -> None:
    set_number(page, "seed", seed)


def choose(page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


@pytest.mark.slow
def test_a_slider_redraws_the_grid_at_once(page):
    seconds = []
    for seed in range(1, 21):
        before, start = shown(page), time.perf_counter()
        set_seed(page, seed)
        changes(page, before)
        seconds.append(time.perf_counter() - start)
    print(f"median of 20: {1000 * statistics.median(seconds):.0f} ms")
    assert statistics.median(seconds) < 1.0  # the goal is 0.15 s on two idle cores; other tests run beside this one


@pytest.mark.slow
def test_two_images_are_chosen_by_clicking(page):
    page.wait_for_function(LOADED.format(384))
    before, box = shown(page, 384), page.locator("img").first.bounding_box()
    for column, row in ((1, 2), (3, 0)):
        page.mouse.click(box["x"] + 128 * column + 64, box["y"] + 128 * row + 64)
        changes(page, before, 384)
        before = shown(page, 384)
    row = pixels(page, 384).reshape(128, 3, 128).swapaxes(0, 1)[:, 2::4, 2::4]
    grid = zoo.load_generator(NAMES[0]).sample(16, seed=0)[..., 0].astype(int)
    assert np.abs(row[0] - grid[4 * 2 + 1]).max() <= 1  # level
    assert np.abs(row[2] - grid[3]).max() <= 1
    assert np.abs(row[1] - grid[3]).mean() > 5


@pytest.mark.slow
def test_files_of_the_grid_draw_it_again(page, tmp_path):
    set_seed(page, 7)
    page.get_by_role("button", name="Files of this grid").click()
    for suffix in ("png", "npz"):
        link = page.locator(f"a[download='dcgan-fashion-mnist-seed-7.{suffix}']")
        with page.expect_download() as download:
            link.first.click()
        download.value.save_as(tmp_path / f"grid.{suffix}")
    generator = zoo.load_generator(NAMES[0])
    images = generator.images(generator.load_latents(tmp_path / "grid.npz"))
    np.testing.assert_array_equal(images, generator.sample(16, seed=7))


@pytest.mark.slow
def test_a_second_checkpoint_has_other_controls(page):
    assert not page.get_by_label("number input for truncation").is_visible()
    before = shown(page)
    choose(page, "checkpoint", NAMES[1])
    changes(page, before)
    page.get_by_label("number input for truncation").wait_for(state="visible")
    page.get_by_label("number input for fine layers of the second").wait_for(state="visible")
    before = shown(page)
    set_number(page, "truncation", 0.3)
    changes(page, before)
    page.get_by_role("tab", name="Card").click()
    page.get_by_role("heading", name=NAMES[1]).wait_for(state="visible")


@pytest.mark.slow
def test_a_wrong_file_is_a_message(page, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    page.get_by_role("tab", name="Your picture").click()
    page.set_input_files("input[type=file]", tmp_path / "notes.txt")
    page.get_by_text("notes").first.wait_for()
    page.get_by_role("button", name="Find the nearest image").click()
    page.get_by_text("the picture cannot be read").first.wait_for()
    page.get_by_role("tab", name="Images").click()
    before = shown(page)
    set_seed(page, 11)
    changes(page, before)  # it goes on


@pytest.mark.slow
def test_two_visitors_do_not_meet(page, browser, address):
    with browser.new_context() as other_context:
        other = other_context.new_page()
        other.goto(address)
        other.wait_for_function(LOADED.format(512))
        mine = shown(page)
        before = shown(other)
        set_seed(other, 99)
        changes(other, before)
        assert shown(page) == mine


def look_for(page, picture) -> None:
    """Starts a projection."""
    page.get_by_role("tab", name="Your picture").click()
    page.set_input_files("input[type=file]", picture)
    page.get_by_text(picture.stem).first.wait_for()
    page.get_by_role("button", name="Find the nearest image").click()


@pytest.mark.slow
def test_a_picture_is_found_although_another_visitor_left_in_the_middle(page, browser, address, tmp_path):
    Image.new("RGBA", (640, 480), (200, 30, 30, 128)).save(tmp_path / "mine.png")
    with browser.new_context() as leaving:
        other = leaving.new_page()
        other.goto(address)
        other.wait_for_function(LOADED.format(512))
        with other.expect_response(lambda response: "mine.png" in (response.request.post_data or "")):
            look_for(other, tmp_path / "mine.png")
        assert not other.get_by_text("The picture was").is_visible()  # it is being looked for
        other.close()
    before = shown(page)
    set_seed(page, 5)
    changes(page, before)
    look_for(page, tmp_path / "mine.png")
    page.get_by_text("The picture was 640 x 480 pixels, cut to its middle square and made 32 x 32").wait_for(
        timeout=120_000
    )
    page.wait_for_function(f"{image(256)} !== undefined")
    with page.expect_download() as download:
        page.locator("a[download='mine.npz']").first.click()
    download.value.save_as(tmp_path / "mine.npz")
    generator = zoo.load_generator(NAMES[0])
    nearest = generator.images(generator.load_latents(tmp_path / "mine.npz"))[0, ..., 0]
    assert np.abs(pixels(page, 256)[2::4, 130::4] - nearest).max() <= 1  # level


@pytest.mark.slow
def test_the_grid_is_redrawn_while_the_seed_is_dragged(page, views):
    slider = page.get_by_label("range slider for seed").bounding_box()
    y = slider["y"] + slider["height"] / 2
    page.mouse.move(slider["x"] + 8, y)
    page.mouse.down()
    for part in (0.2, 0.4, 0.6):
        before = shown(page)
        page.mouse.move(slider["x"] + part * slider["width"], y, steps=5)
        changes(page, before)  # the button is still down
    page.mouse.up()
    seed = int(page.get_by_label("number input for seed").input_value())
    assert 5_000 < seed < 7_000
    shows(page, views.grid(NAMES[0], seed, 1.0, ""))


@pytest.mark.slow
def test_a_class_is_chosen(page, views):
    assert not page.get_by_label("class", exact=True).is_visible()
    choose(page, "checkpoint", NAMES[2])
    shows(page, views.grid(NAMES[2], 0, 1.0, ""))
    choose(page, "class", "Bag")
    shows(page, views.grid(NAMES[2], 0, 1.0, "Bag"))


@pytest.mark.slow
def test_styles_are_mixed_and_directions_followed(page, views):
    choose(page, "checkpoint", NAMES[1])
    plain, mixed = (views.between(NAMES[1], [], 0.2, layers, 1.0, "") for layers in (0, 6))
    assert plain != mixed
    set_number(page, "from the first to the second", 0.2)
    shows(page, plain)
    set_number(page, "fine layers of the second", 6)
    shows(page, mixed)
    page.get_by_role("tab", name="Directions").click()
    for number, amount in ((1, 2.0), (3, 2.0)):
        set_number(page, "direction", number)
        set_number(page, "standard deviations", amount)
        shows(page, views.moved(NAMES[1], 0, 1.0, "", number, amount))
    page.get_by_role("tab", name="Images").click()
    set_seed(page, 7)
    shows(page, views.grid(NAMES[1], 7, 1.0, ""))
    page.get_by_role("tab", name="Directions").click()
    shows(page, views.moved(NAMES[1], 7, 1.0, "", 3, 2.0))


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_it_fits_a_dark_and_a_narrow_window(width, scheme, browser, address, tmp_path):
    with browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(address)
        page.wait_for_function(LOADED.format(512))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
        page.screenshot(path=tmp_path / "page.png", full_page=True)


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "shown_at_last"), [("10000", "9999"), ("-3", "0"), ("", "0")])
def test_a_seed_that_the_slider_has_not_draws_the_nearest(typed, shown_at_last, page):
    before = shown(page)
    set_seed(page, 3)
    changes(page, before)
    before = shown(page)
    box = page.get_by_label("number input for seed")
    box.fill(typed)
    box.press("Enter")
    changes(page, before)
    box.blur()
    assert box.input_value() == shown_at_last


@pytest.mark.slow
def test_a_run_that_has_just_started_is_shown_and_drawn_once_it_can_be(begun, save_first, browser):
    with served(NAMES[0], begun.path, refresh=0.5) as address, browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        page.wait_for_function(LOADED.format(512))
        choose(page, "checkpoint", str(begun.path))
        page.get_by_text("has no checkpoint yet").wait_for()
        page.get_by_text("it has logged nothing yet").wait_for(state="visible")
        begun.add_samples(16, Image.new("L", (200, 100)))
        page.wait_for_function(LOADED.format(200))
        begun.log({"step": 4, "images": 16, "d_loss": 1.0, "separation": 0.5})
        page.get_by_text("too early to tell").wait_for(state="visible")
        page.get_by_role("tab", name="Images").click()
        page.wait_for_function(f"!({LOADED.format(512)})")  # nothing of the other checkpoint
        save_first()
        page.wait_for_function(LOADED.format(512))
        page.get_by_text("has no checkpoint yet").wait_for(state="detached")


@pytest.mark.slow
def test_a_page_that_is_loaded_again_shows_the_run_as_it_is_now(begun, browser):
    with served(begun.path, refresh=600) as address, browser.new_context() as context:
        page = context.new_page()
        for width in (200, 300):
            begun.add_samples(width, Image.new("L", (width, 100)))
            page.goto(address)
            page.get_by_text("has no checkpoint yet").wait_for()
            page.wait_for_function(LOADED.format(width))
