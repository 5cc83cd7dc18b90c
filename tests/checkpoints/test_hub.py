"""The Hub: the real client of huggingface_hub, over HTTP, against a server on loopback."""

import gzip
import hashlib
import os
import re
import subprocess
import sys
import time
from functools import partial
from importlib.util import find_spec

import huggingface_hub
import numpy as np
import pytest
import yaml
from hub_server import Hub, Repository
from huggingface_hub import close_session, constants
from tiny import TINY, tensors
from tiny import ganzoo as command

import zoo
from zoo import recipe as recipes
from zoo.checkpoints import checkpoint, guard, huggingface, resolve
from zoo.checkpoints.run import Run
from zoo.publish import export
from zoo.publish.push import push

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept"),  # Keras, of TensorFlow's variables
    pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload"),  # huggingface_hub, of its HTTP client
]

NEWER = pytest.mark.skipif(
    int(huggingface_hub.__version__.partition(".")[0]) < 2, reason="huggingface_hub 1 asks in another way"
)
OURS = {"ganzoo.json", "recipe.toml", "generator.safetensors", "discriminator.safetensors", "samples.png", "README.md"}
KERAS = {"config.json", "metadata.json", "model.weights.h5"}
NAME = "hf://org/name"


def save(folder, name="dcgan-fashion-mnist", seed=0):
    """A checkpoint folder of a tiny network that draws images of strong contrast, as `export` writes them."""
    recipe = recipes.load(name).replace(**TINY, seed=seed)
    info = {"images": 640, "data": {"source": recipe.data.source, "images": 60_000}}
    raw = checkpoint.save(folder / "raw", recipe, tensors(recipe, 20 if name.startswith("dcgan") else 1), info)
    return export.export(raw, "checkpoint", folder / "exported")


@pytest.fixture(scope="module", autouse=True)
def few_samples():
    """Exports decide on half precision by 4 samples, since every push exports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "COMPARED_IMAGES", 4)
        yield


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save(tmp_path_factory.mktemp("dcgan"))


@pytest.fixture(scope="module")
def files(saved):
    return {file.name: file.read_bytes() for file in saved.iterdir()} | {"README.md": b"# A card\n"}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The server, and a client with a token and an empty cache that knows no other."""
    with Hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "writer")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        close_session()
        yield running
        close_session()


@pytest.fixture
def published(server, files):
    """The server with the checkpoint as org/name."""
    server.repositories["org/name"] = Repository()
    server.repositories["org/name"].commit(files)
    return server


def refused(match, action, *arguments, **options):
    with pytest.raises(ValueError, match=match) as caught:
        action(*arguments, **options)
    assert re.fullmatch(r".+ Received: .+", str(caught.value)), str(caught.value)  # one line: a dot is no line break


def assert_same_images(a, b):
    np.testing.assert_array_equal(zoo.load_generator(a).sample(4), zoo.load_generator(b).sample(4))


# Push


def test_a_push_is_one_commit_of_the_checkpoint_its_card_and_keras_files(server, saved, said):
    address = push(saved, "org/name", message="Tiny")
    repository = server.repositories["org/name"]
    assert set(repository.tree()) == OURS | KERAS | {".gitattributes"}
    assert repository.messages == ["initial commit", "Tiny"]
    assert address == f"{NAME}@{repository.branches['main']}"
    assert (repository.private, said) == (False, [])
    assert len(server.posts("commit")) == 1
    assert_same_images(address, saved)

    text = repository.tree()["README.md"].decode()
    header = yaml.safe_load(text.split("---")[1])
    assert (header["library_name"], header["license"]) == ("keras", "unknown")
    assert (header["pipeline_tag"], header["tags"][:2]) == ("unconditional-image-generation", ["gan", "dcgan"])
    assert f'zoo.load_generator("{NAME}")' in text
    assert "Not measured" in text
    push(saved, "org/name", license="cc-by-4.0")
    assert "license: cc-by-4.0\n" in repository.tree()["README.md"].decode()


@pytest.mark.slow
def test_a_space_is_the_page_of_the_commit(server, saved, tmp_path):
    gradio = pytest.importorskip("gradio")
    command("push", saved, "org/name", "--space", status=0)
    commit = server.repositories["org/name"].branches["main"]
    tree = server.repositories["org/name (space)"].tree()
    assert set(tree) == {".gitattributes", "app.py", "README.md", "requirements.txt"}
    header = yaml.safe_load(tree["README.md"].decode().split("---")[1])
    assert header == {
        "title": "name",
        "sdk": "gradio",
        "sdk_version": gradio.__version__,
        "app_file": "app.py",
        "models": ["org/name"],
    }
    assert tree["requirements.txt"].decode() == f"keras-ganzoo[demo,tensorflow]=={zoo.__version__}\n"
    (tmp_path / "app.py").write_bytes(tree["app.py"])
    script = """
import runpy
import gradio
there = f"hf://org/name@{COMMIT}"
gradio.Blocks.launch = lambda self, **options: print("server_name" in options, there in str(self.config))
runpy.run_path("app.py")
"""
    done = subprocess.run(
        [sys.executable, "-c", script.replace("{COMMIT}", commit)],
        cwd=tmp_path,
        env=os.environ | {"HF_ENDPOINT": server.url, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "False True\n", done.stderr  # the Space itself says on which address it serves
    push(saved, "org/name", space=True)  # again
    assert set(server.repositories["org/name (space)"].tree()) == set(tree)


def test_the_space_of_a_private_checkpoint_needs_a_token(server, saved):
    pytest.importorskip("gradio")
    asked = "add a secret HF_TOKEN, a token that may read org/name, in the Space's settings"
    assert asked in command("push", saved, "org/name", "--private", "--space", status=0).output
    assert asked in command("push", saved, "org/name", "--space", status=0).output  # it is private already
    assert asked.replace("name", "open") not in command("push", saved, "org/open", "--space", status=0).output


def test_a_space_of_something_else_is_refused_before_anything_is_pushed(server, saved):
    pytest.importorskip("gradio")
    server.repositories["org/name (space)"] = Repository()
    server.repositories["org/name (space)"].commit({"app.py": b"", "mine.py": b""})
    refused(r"Space of that name holds something else \(mine\.py\)", push, saved, "org/name", space=True)
    assert "org/name" not in server.repositories
    assert not server.posts("commit")


def test_a_push_without_changes_commits_nothing_and_says_so(server, saved, said):
    first = push(saved, "org/name")
    assert push(saved, "org/name") == first
    assert len(server.posts("commit")) == 1
    assert "nothing has changed" in said[0]


def test_a_revision_stays_what_it_was(server, saved, tmp_path):
    first, other = push(saved, "org/name"), save(tmp_path, seed=1)
    second = push(other, "org/name")
    assert first != second
    for address, folder in ((first, saved), (second, other), (NAME, other), (first, saved)):
        assert_same_images(address, folder)


def test_a_branch_is_made_and_leaves_main_alone(server, saved, tmp_path):
    first, other = push(saved, "org/name"), save(tmp_path, seed=1)
    push(other, "org/name", revision="more")
    assert server.repositories["org/name"].branches["main"] == first.partition("@")[2]
    assert_same_images(f"{NAME}@more", other)
    assert_same_images(NAME, saved)


@pytest.mark.slow
def test_networks_of_our_own_layers_have_no_keras_files(server, saved, tmp_path):
    push(saved, "org/name")
    style = save(tmp_path, "stylegan-lite-fashion-mnist")
    push(style, "org/name")
    tree = server.repositories["org/name"].tree()
    assert set(tree) == OURS | {".gitattributes"}  # those of the first push are gone
    assert "library_name: keras-ganzoo\n" in tree["README.md"].decode()
    assert_same_images(NAME, style)


def test_a_card_in_the_folder_is_taken(server, saved, files):
    (saved / "README.md").write_bytes(files["README.md"])
    push(saved, "org/name")
    (saved / "README.md").unlink()
    assert server.repositories["org/name"].tree()["README.md"] == files["README.md"]


def test_a_card_that_is_a_link_out_of_the_folder_is_not_published(server, saved, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (saved / "README.md").symlink_to(tmp_path / "secret")
    try:
        refused("leads out of the checkpoint", push, saved, "org/name")
    finally:
        (saved / "README.md").unlink()
    assert not server.repositories


@pytest.mark.parametrize(
    "holds",
    [
        {"pytorch_model.bin": b""},
        {"config.json": b"{}", "model.weights.h5": b""},
        {"ganzoo.json": b"{}", "more.txt": b""},
    ],
)
def test_a_repository_of_something_else_is_refused(holds, server, saved):
    server.repositories["org/name"] = Repository()
    server.repositories["org/name"].commit(holds)
    refused("holds something else .*push to a new one, or delete", push, saved, "org/name")
    assert not server.posts("")


def test_a_repository_that_is_new_on_the_hub_is_taken(server, saved):
    server.repositories["org/name"] = Repository()
    server.repositories["org/name"].commit({"README.md": b"# Mine\n", "LICENSE": b"MIT"})
    push(saved, "org/name", revision="main")
    assert set(server.repositories["org/name"].tree()) == OURS | KERAS | {".gitattributes", "LICENSE"}


def test_private_is_private(published, saved):
    refused("is there and public", push, saved, "org/name", private=True)
    push(saved, "org/hidden", private=True)
    assert published.repositories["org/hidden"].private
    assert push(saved, "org/hidden", private=True)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("name", {}, "is named org/name"),
        ("org/name/more", {}, "is named org/name"),
        ("", {}, "is named org/name"),
        ("org/na me", {}, "is named org/name"),
        ("org/name@v1", {}, "--revision names the branch"),
        ("org/name", {"revision": "0" * 40}, "--revision names the branch"),
        ("org/a--b", {}, "refused"),
    ],
)
def test_a_push_wants_an_address(name, options, match, server, saved):
    refused(match, push, saved, name, **options)
    assert not server.posts("")


@pytest.mark.parametrize(
    ("token", "match"),
    [
        ("", "no token to write to the Hub with; log in with `hf auth login`, or set HF_TOKEN"),
        ("reader", "your token does not permit this"),
        ("unknown", "does not know your token"),
    ],
)
def test_a_push_wants_a_token_that_may_write(token, match, server, saved, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", token)
    refused(match, push, saved, "org/name")
    assert not server.repositories


def test_an_upload_that_fails_is_one_line_and_no_commit(server, saved):
    server.full = True
    refused("refused .*413", push, saved, "org/name")
    assert not server.posts("commit")
    server.full = False
    assert push(saved, "org/name")


# Fetch


def test_only_files_of_ours_are_fetched(published):
    repository = published.repositories["org/name"]
    repository.commit({"model.pkl": b"", "zoo.py": b"", "deep/ganzoo.json": b""})
    folder = resolve.resolve(NAME)
    assert {path.name for path in folder.iterdir()} == OURS
    assert not [path for _, path in published.requests if re.search("pkl|zoo.py|deep", path)]


def test_a_second_time_takes_the_cache(published):
    folder = resolve.resolve(NAME)
    published.requests.clear()
    assert resolve.resolve(NAME) == folder
    assert {method for method, _ in published.requests} <= {"GET"}
    assert not [path for _, path in published.requests if "cdn" in path or "resolve" in path]


@pytest.mark.parametrize(
    ("name", "token", "match"),
    [
        ("hf://org/nothing", "reader", "no repository of that name that your token may see"),
        ("hf://org/nothing", "", "no public repository of that name; for a private one log in"),
        ("hf://org/hidden", "", "no public repository of that name; for a private one log in"),
        ("hf://org/name", "unknown", "does not know your token"),
        ("hf://org/name@v9", "", "no such branch, tag or commit"),
        ("hf://org/name@" + "0" * 40, "", "no such branch, tag or commit"),
        ("hf://org/other", "", "no ganzoo.json"),
        ("hf://org", "", "named org/name"),
        ("hf://org/name/more", "", "named org/name"),
        ("hf://", "", "named org/name"),
        ("hf://org/name@", "", "named org/name"),
        ("hf://org/name@../../x", "", "named org/name"),
        ("hf://org/name@a@b", "", "named org/name"),
        ("hf://or g/name", "", "named org/name"),
    ],
)
def test_what_is_not_there_is_one_line(name, token, match, published, files, monkeypatch):
    published.repositories["org/hidden"] = Repository(private=True)
    published.repositories["org/other"] = Repository()
    published.repositories["org/other"].commit({"config.json": b"{}"})
    monkeypatch.setenv("HF_TOKEN", token)
    refused(match, zoo.load_generator, name)


def test_a_private_repository_opens_with_a_token(published, saved, files, monkeypatch):
    published.repositories["org/hidden"] = Repository(private=True)
    published.repositories["org/hidden"].commit(files)
    monkeypatch.setenv("HF_TOKEN", "reader")
    assert_same_images("hf://org/hidden", saved)


@pytest.mark.parametrize("file", ["recipe.toml", "generator.safetensors"])
def test_a_missing_file_is_one_line(file, published):
    published.repositories["org/name"].commit({}, gone={file})
    refused(f"has no {file}", zoo.load_generator, NAME)


@pytest.mark.parametrize(("file", "size"), [("ganzoo.json", 2_000_000), ("generator.safetensors", 2**31 + 1)])
def test_too_large_files_are_not_fetched(file, size, published, files):
    if file == "ganzoo.json":
        published.repositories["org/name"].commit({file: b" " * size})
    else:
        published.claimed[file] = size
    refused("nothing was fetched", zoo.load_generator, NAME)
    assert not [path for method, path in published.requests if method == "GET" and re.search("resolve|cdn", path)]


def test_a_broken_connection_is_taken_up_where_it_broke(published, saved, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)
    published.cut["generator.safetensors"] = 700
    assert_same_images(NAME, saved)
    gets = [path for method, path in published.requests if method == "GET" and "/cdn/generator" in path]
    assert len(gets) == 2
    assert published.ranges == ["bytes=700-"]


def test_what_breaks_for_good_is_one_line_and_goes_on_later(published, saved, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    published.changed["generator.safetensors"] = b"short"
    refused("Consistency check failed", zoo.load_generator, NAME)
    published.changed.clear()
    assert_same_images(NAME, saved)


def test_a_wrong_digest_is_refused_and_pulled_again(published, files, saved):
    published.changed["generator.safetensors"] = bytes(len(files["generator.safetensors"]))
    refused("digest that ganzoo.json states", zoo.load_generator, NAME)
    refused("digest that ganzoo.json states", resolve.pull, NAME)
    published.changed.clear()
    refused("digest that ganzoo.json states", zoo.load_generator, NAME)
    resolve.pull(NAME)
    assert_same_images(NAME, saved)


def test_without_the_hub_the_cache_is_used_and_a_line_says_so(published, saved, said, monkeypatch):
    commit = resolve.resolve(NAME).name
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert_same_images(NAME, saved)
    assert said[1:] == [
        f"the Hub cannot be reached (HF_HUB_OFFLINE is set); {NAME} comes from the cache, commit {commit[:12]}"
    ]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    published.stop()
    assert_same_images(NAME, saved)
    assert re.fullmatch(rf"the Hub cannot be reached \(.*refused\); {NAME} comes from the cache, .*", said[2])
    assert_same_images(f"{NAME}@{commit}", saved)
    refused("cannot be reached .* no whole copy; try again with a connection", zoo.load_generator, "hf://org/other")
    refused("cannot be reached .*refused", push, saved, "org/name")


def test_a_commit_in_the_cache_asks_nobody(published, saved, said):
    commit = resolve.resolve(NAME).name
    published.requests.clear()
    said.clear()
    assert_same_images(f"{NAME}@{commit}", saved)
    assert (published.requests, said) == ([], [])


def test_a_hub_that_is_ill_is_a_hub_that_is_gone(published, saved, said, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    resolve.resolve(NAME)
    published.ill = True
    assert_same_images(NAME, saved)
    assert "the Hub cannot be reached (status 503)" in said[-1]


# Servers that are slow, endless, odd or hostile


@pytest.fixture
def hasty(published, monkeypatch):
    """The server, and limits that are short."""
    monkeypatch.setattr(guard, "SILENCE", 0.4)
    monkeypatch.setattr(guard, "PATIENCE", 2.0)
    monkeypatch.setattr(guard, "SLOWEST", 100_000)
    monkeypatch.setattr(guard, "LARGEST_ANSWER", 200_000)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    yield published
    published.gone.set()


def too_many_requests(handler):
    handler.send(429, {}, {"Retry-After": "100000"})


def rate_limit(handler):
    handler.send(429, {}, {"RateLimit": '"api";r=0;t=100000'})


def nothing(handler):
    handler.hub.gone.wait(20)


def drip(handler):
    """A byte now and then, of a body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not handler.hub.gone.wait(0.1):
        handler.wfile.write(b" ")


def drip_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.hub.gone.wait(0.1):
        handler.wfile.write(b"x")


def endless(handler):
    """A body without a length."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    while not handler.hub.gone.is_set():
        handler.wfile.write(bytes(2**16))


def endless_questions(handler):
    """The same, of what the client reads as JSON; a size and a digest are asked for without a body."""
    return handler.send(200, {}) if handler.command == "HEAD" else endless(handler)


@pytest.mark.parametrize(
    "answer", [too_many_requests, rate_limit, nothing, drip, drip_headers], ids=lambda answer: answer.__name__
)
@pytest.mark.parametrize(
    "part", ["/api/models", "/cdn/generator", pytest.param("/tree/", marks=[pytest.mark.slow, NEWER])]
)
def test_a_hub_that_is_too_slow_is_a_hub_that_is_gone(part, answer, hasty, saved, files, said):
    """Nobody waits for long: the cache is used, or one line says why not."""
    resolve.resolve(NAME)
    hasty.repositories["org/name"].commit({"README.md": b"other", "generator.safetensors": bytes(100_000)})
    hasty.answers[part] = answer
    start = time.monotonic()
    assert_same_images(NAME, saved)
    assert time.monotonic() - start < 10
    assert re.search(r"cannot be reached \(.*comes from the cache", said[-1])

    hasty.repositories["org/other"] = Repository()
    hasty.repositories["org/other"].commit(files)
    start = time.monotonic()
    refused("cannot be reached .* no whole copy", resolve.resolve, "hf://org/other")
    assert time.monotonic() - start < 10


@NEWER
def test_a_busy_hub_is_waited_for_a_little(hasty, saved, monkeypatch):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)

    def once(handler):
        del handler.hub.answers["/cdn/generator"]
        handler.send(429, {}, {"Retry-After": "3"})

    hasty.answers["/cdn/generator"] = once
    assert_same_images(NAME, saved)
    assert waited == [4.0]  # one second more than it said


def on_disk(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_no_more_is_written_than_was_announced(hasty, tmp_path):
    hasty.answers["/cdn/generator"] = endless
    refused("sends more than it announced", resolve.resolve, NAME)
    assert on_disk(tmp_path / "hub") < 600_000  # bytes; without the limit, as much as the disk holds
    hasty.answers = {"/api/models": endless_questions}
    refused("sends more than it announced", resolve.resolve, NAME)


def test_a_file_without_a_size_is_not_fetched(hasty):
    def no_size(handler):
        return endless(handler) if handler.command == "GET" else handler.send_response_only(200) or plain(handler)

    def plain(handler):
        for name, text in {"X-Repo-Commit": "0" * 40, "ETag": '"abc"', "Connection": "close"}.items():
            handler.send_header(name, text)
        handler.end_headers()
        handler.close_connection = True

    hasty.answers["/resolve/"] = no_size
    refused("a size that is not told.*nothing was fetched|not have a Content-Length", resolve.resolve, NAME)


def test_what_is_packed_is_refused_before_it_is_unpacked(hasty, tmp_path):
    content = gzip.compress(bytes(10**8))

    def bomb(handler):
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    hasty.answers["/cdn/generator"] = bomb
    refused("encoded as gzip, which was not asked for", resolve.resolve, NAME)
    assert on_disk(tmp_path / "hub") < 600_000


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"7",
        b"[]",
        b"{}",
        b'"text"',
        b'[{"type": "file"}]',
        b'[{"type": "file", "path": 7, "oid": "", "size": "many"}]',
        b'{"id": 7, "sha": null, "siblings": 3}',
        b'{"error": "\\u001b[31mred\\u202e"}',
    ],
    ids=lambda answer: repr(answer[:30]),
)
@pytest.mark.parametrize("part", ["/api/models", pytest.param("/tree/", marks=NEWER)])
def test_an_odd_answer_is_one_line(part, answer, hasty):
    def odd(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    hasty.answers[part] = odd
    refused("no answer that the Hub gives|cannot be read|refused|no ganzoo.json", resolve.resolve, NAME)


@pytest.mark.parametrize("status", [400, 418, 451, 500])
def test_what_a_server_says_reaches_no_terminal(status, hasty, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    words = {"error": "\x1b[31mred\x9b\u202e" + "long " * 10_000}
    hasty.answers["/api/models"] = lambda handler: handler.send(status, words, {"X-Error-Message": "\x1b[31mred"})
    with pytest.raises(ValueError, match="org/name") as caught:
        resolve.resolve(NAME)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize(
    ("file", "headers"),
    [
        ("recipe.toml", {"ETag": '"../../../../outside"'}),
        ("recipe.toml", {"ETag": '"/tmp/outside"'}),
        ("recipe.toml", {"ETag": '".."'}),
        ("recipe.toml", {"X-Repo-Commit": "../../../outside"}),
        ("generator.safetensors", {"X-Linked-ETag": '"../../../../outside"'}),
        ("generator.safetensors", {"X-Xet-Hash": "../../outside"}),
    ],
    ids=str,
)
def test_an_answer_that_names_files_elsewhere_is_refused(file, headers, hasty, tmp_path):
    hasty.headers[file] = headers
    refused("is no name of a file: .*nothing was fetched", resolve.resolve, NAME)
    assert not list(tmp_path.rglob("outside*"))


@pytest.mark.parametrize("key", ["sha", pytest.param("oid", marks=NEWER), pytest.param("lfs", marks=NEWER)])
def test_a_listing_that_names_files_elsewhere_is_refused(key, hasty, tmp_path):
    entry = {"type": "file", "path": "ganzoo.json", "size": 7, "oid": "0" * 40}
    lfs = {"oid": "../../outside", "size": 7, "pointerSize": 130}
    content = {
        "oid": [entry | {"oid": "../../outside"}],
        "lfs": [entry | {"lfs": lfs}],
        "sha": {"sha": "../../outside"},
    }
    part = "/api/models" if key == "sha" else "/tree/"
    hasty.answers[part] = lambda handler: handler.send(200, content[key])
    refused("is no digest: ../../outside", resolve.resolve, NAME)
    assert not list(tmp_path.rglob("outside*"))


def test_a_full_disk_says_what_to_do(hasty, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    refused("the disk is full; make room, or set HF_HOME", resolve.resolve, NAME)


def test_without_a_home_folder_the_remedy_is_named(published, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~nobody-has-this-name/hub")
    refused("no home folder .* set HF_HOME to a folder", resolve.resolve, NAME)


def test_the_client_is_left_as_it_was(hasty):
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    def mine():
        return _http.default_client_factory()

    set_client_factory(mine)
    xet = constants.HF_HUB_DISABLE_XET
    hasty.answers["/api/models"] = too_many_requests
    with pytest.raises(ValueError, match="100,000 seconds"):
        resolve.resolve(NAME)
    assert _http._GLOBAL_CLIENT_FACTORY is mine
    assert xet == constants.HF_HUB_DISABLE_XET
    set_client_factory(_http.default_client_factory)


@pytest.mark.parametrize("answer", [too_many_requests, nothing, drip_headers], ids=lambda answer: answer.__name__)
def test_a_push_to_a_hub_that_is_too_slow_ends(answer, hasty, saved, monkeypatch):
    monkeypatch.setattr("zoo.publish.push.COMMIT_SECONDS", 0.4)
    for part in ("/api/models", "/commit/"):
        hasty.answers = {part: answer}
        start = time.monotonic()
        refused("cannot be reached", push, saved, "org/new")
        assert time.monotonic() - start < 10


# Pull, released names, commands


def test_pull_copies_what_works_without_the_hub(published, saved, tmp_path):
    out = resolve.pull(NAME, tmp_path / "new" / "mine")
    published.stop()
    assert {path.name for path in out.iterdir()} == OURS
    assert not any(path.is_symlink() for path in out.iterdir())
    assert_same_images(out, saved)
    refused("something of that name; name a new folder", resolve.pull, NAME, out)


def test_a_shipped_name_needs_no_hub(server, tmp_path):
    name = resolve.shipped()[0]
    server.stop()
    assert resolve.pull(name) == checkpoint.SHIPPED / name == resolve.resolve(name)
    assert checkpoint.open_checkpoint(resolve.pull(name, tmp_path / "copy")).recipe.name == name


@pytest.fixture
def released(published, files, tmp_path, monkeypatch):
    """released.toml with the checkpoint under the name "dress"; a function that changes its digests."""
    commit, path = published.repositories["org/name"].branches["main"], tmp_path / "released.toml"
    monkeypatch.setattr(resolve, "RELEASED", path)

    def write(**changes):
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()} | changes
        path.write_text(
            f'[dress]\nrepository = "org/name"\nrevision = "{commit}"\n[dress.files]\n'
            + "".join(f'"{name}" = "{digest}"\n' for name, digest in digests.items())
        )

    write()
    return write


def test_a_released_name_is_fetched_and_compared(released, published, saved, tmp_path):
    published.repositories["org/name"].commit({"recipe.toml": b"changed"})
    assert_same_images("dress", saved)
    refused("did you mean 'dress'", resolve.resolve, "dres")
    assert {path.name for path in resolve.pull("dress", tmp_path / "copy").iterdir()} == OURS
    released(**{"recipe.toml": "0" * 64})
    refused("recipe.toml is not the one that was released", resolve.resolve, "dress")
    refused("recipe.toml is not the one that was released", resolve.pull, "dress")


def test_the_file_of_released_names_holds_what_it_promises():
    for release in resolve.released().values():
        assert set(release) == {"repository", "revision", "files"}
        assert re.fullmatch("[0-9a-f]{40}", release["revision"])
        assert set(release["files"]) <= set(checkpoint.FILES)
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in release["files"].values())


ganzoo = partial(command, status=0)


def test_the_commands_take_addresses(server, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = ganzoo("push", saved, "org/name", "--private", "-m", "Tiny").stderr
    commit = server.repositories["org/name"].branches["main"]
    assert said.splitlines()[-1] == f"draw from it with: ganzoo sample {NAME}@{commit}"
    assert server.repositories["org/name"].private

    drawn = ganzoo("sample", NAME, "-n", "2").stderr
    assert re.fullmatch(rf"fetching {NAME}: \d files, 0\.\d MB\n", drawn)  # and no bar, since this is no terminal
    assert f"# {constants.HF_HUB_CACHE}" in ganzoo("show", f"{NAME}@{commit}").stdout
    assert "mine" in ganzoo("pull", NAME, "-o", "mine").stderr
    assert {path.name for path in (tmp_path / "mine").iterdir()} == OURS
    for arguments in (
        ["sample", "hf://org"],
        ["show", "hf://org"],
        ["pull", "hf://org"],
        ["push", saved, "org"],
        ["finetune", "hf://org", "--data", "x"],
    ):
        error = ganzoo(*arguments, status=1).stderr
        assert re.fullmatch(r"Error: .*org/name.* Received: .+\n", error), error


@pytest.mark.slow
def test_finetune_starts_from_an_address_and_remembers_its_commit(published, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commit = published.repositories["org/name"].branches["main"]
    ganzoo("finetune", f"{NAME}@main", "--data", images, "--images", "16", "--strategy", "none")
    run = Run(tmp_path / "runs" / "name-finetuned")
    assert run.recipe.start == f"{NAME}@{commit}"
    exported = export.export(run.path, "checkpoint", tmp_path / "exported")
    assert checkpoint.open_checkpoint(exported).recipe.start == f"{NAME}@{commit}"


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="Keras reads hf:// addresses with TensorFlow's gfile")
@pytest.mark.slow
def test_plain_keras_draws_the_same_images_in_a_process_without_zoo(server, saved, tmp_path):
    folders = {"org/dcgan": saved, "org/sngan": save(tmp_path, "sngan-cifar10")}
    latents = np.random.default_rng(0).standard_normal((8, 4), np.float32)
    np.save(tmp_path / "z.npy", latents)
    for name, folder in folders.items():
        push(folder, name)
    script = """
import sys
sys.modules["zoo"] = None
import keras, numpy as np
for name in sys.argv[2:]:
    images = keras.saving.load_model("hf://" + name).predict(np.load("z.npy"), verbose=0)
    np.save(name.partition("/")[2], images)
"""
    environment = os.environ | {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    subprocess.run([sys.executable, "-c", script, "-", *folders], env=environment, cwd=tmp_path, check=True)
    for name, folder in folders.items():
        expected = zoo.load_generator(folder).images({"z": latents})
        given = np.clip(np.rint((np.load(tmp_path / f"{name[4:]}.npy") + 1) * 127.5), 0, 255)
        assert np.abs(given - expected).max() <= (0 if name == "org/dcgan" else 1)  # one convolution is another
        assert len(np.unique(given)) > 20


def test_labels_and_pinned_names(tmp_path):
    assert [
        resolve.label(name) for name in ("hf://org/name@refs/pr/1", "hf://org/name", "runs/mine", tmp_path / "x")
    ] == ["name", "name", "mine", "x"]
    assert resolve.pinned("hf://org/name@main", tmp_path / ("0" * 40)) == f"hf://org/name@{'0' * 40}"
    assert resolve.pinned("runs/mine", tmp_path) == str(tmp_path)
    assert resolve.pinned("dcgan-fashion-mnist", resolve.resolve("dcgan-fashion-mnist")) == "dcgan-fashion-mnist"
    assert str(huggingface.parse("org/name@v1")) == "hf://org/name@v1"
