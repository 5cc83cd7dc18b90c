"""A server on loopback that speaks enough of the Hugging Face Hub's protocol for its client to push and pull.

Weights go by LFS, through a second origin ("localhost" beside "127.0.0.1"), as the Hub's go through a CDN.
"""

import base64
import contextlib
import hashlib
import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

SPACE = " (space)"  # after the name of a Space, in `Hub.repositories`
LFS = (".safetensors", ".h5", ".png")


@dataclass
class Repository:
    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # commit -> the files of its tree
    messages: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.commit({".gitattributes": b"*.safetensors filter=lfs\n"}, "main", "initial commit")

    def commit(self, files, branch="main", message="", gone=()):
        """Puts files on a branch, as a push does, and returns the commit."""
        tree = {**self.tree(branch), **files} if branch in self.branches else dict(files)
        tree = {name: content for name, content in tree.items() if name not in gone}
        oid = hashlib.sha1(repr((len(self.commits), sorted(tree.items()))).encode()).hexdigest()
        self.commits[oid], self.branches[branch] = tree, oid
        self.messages.append(message)
        return oid

    def find(self, revision):
        return revision if revision in self.commits else self.branches.get(revision)

    def tree(self, revision="main"):
        return self.commits[self.find(revision)]


def oid(name, content):
    """What the Hub calls a file by: SHA-256 in LFS, else git's SHA-1."""
    if name.endswith(LFS):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """The server, while its context lasts.

    Attributes:
        repositories: {"org/name": Repository}.
        tokens: {token: organisations it may write to}.
        requests: (method, path) of every request; ranges: what was asked for of a file that broke off.
        cut: {file: bytes} after which its next download breaks off.
        changed: {file: content} that is sent in place of the file's own.
        claimed: {file: bytes} that the tree says it has.
        ill: every answer is 503; full: uploads are refused.
        answers: {part of a path: a function of the handler that answers in place of the Hub}.
        headers: {file: headers} that are sent in place of the file's own when its size and digest are asked for.
        gone: set when the server stops, for answers that wait.
    """

    def __init__(self):
        self.repositories, self.tokens = {}, {"writer": {"org"}, "reader": set()}
        self.requests, self.ranges, self.ill, self.full = [], [], False, False
        self.cut, self.changed, self.claimed, self.stored = {}, {}, {}, {}
        self.answers, self.headers, self.gone = {}, {}, threading.Event()

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        self.url, self.cdn = (f"http://{host}:{self.server.server_port}" for host in ("127.0.0.1", "localhost"))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def stop(self):
        self.gone.set()
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.hang_up()
            self.server.server_close()

    def posts(self, part):
        return [path for method, path in self.requests if method == "POST" and part in path]


class Server(ThreadingHTTPServer):
    """Remembers its connections, which clients keep open, so that it can be gone at once."""

    daemon_threads = True

    def __init__(self, *arguments):
        self.connections = []
        super().__init__(*arguments)

    def get_request(self):
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def hang_up(self):
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Refused(Exception):
    """An answer other than 200: status, and the Hub's code of the error."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def answer(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.path = urlsplit(self.path).path
        self.hub.requests.append((self.command, unquote(self.path)))
        try:
            if self.hub.ill:
                raise Refused(503, "")
            for part, answer in self.hub.answers.items():
                if part in self.path:
                    return answer(self)
            self.route([unquote(part) for part in self.path.strip("/").split("/")])
        except Refused as refused:
            status, code = refused.args
            self.send(status, {"error": code}, {"X-Error-Code": code} if code else {})
        except ConnectionError:
            self.close_connection = True

    def route(self, parts):
        match parts:
            case ["api", "repos", "create"]:
                self.create(json.loads(self.body))
            case ["api", "validate-yaml"]:
                self.send(200, {"errors": [], "warnings": []})
            case ["api", "models", org, name]:
                self.describe(self.repository(org, name), "main")
            case ["api", "spaces", org, name]:
                self.describe(self.repository(org, f"{name}{SPACE}"), "main")
            case ["api", "spaces", org, name, "revision", revision]:
                self.describe(self.repository(org, f"{name}{SPACE}"), revision)
            case ["api", "spaces", org, name, "preupload", revision]:
                self.preupload(self.repository(org, f"{name}{SPACE}", write=True), revision)
            case ["api", "spaces", org, name, "commit", revision]:
                self.commit(self.repository(org, f"{name}{SPACE}", write=True), revision)
            case ["api", "models", org, name, "revision", revision]:
                self.describe(self.repository(org, name), revision)
            case ["api", "models", org, name, "tree", revision, *_]:
                self.list_tree(self.repository(org, name), revision)
            case ["api", "models", org, name, "preupload", revision]:
                self.preupload(self.repository(org, name, write=True), revision)
            case ["api", "models", org, name, "commit", revision]:
                self.commit(self.repository(org, name, write=True), revision)
            case ["api", "models", org, name, "branch", branch]:
                repository = self.repository(org, name, write=True)
                if branch in repository.branches:
                    raise Refused(409, "")
                repository.branches[branch] = repository.branches["main"]
                self.send(201, {})
            case [org, name, "info", "lfs", "objects", "batch"]:
                self.repository(org, name.removesuffix(".git"), write=True)
                self.lfs_batch(json.loads(self.body))
            case ["verify"]:
                self.send(200, {})
            case ["cdn", _] if self.hub.full:
                raise Refused(413, "")
            case ["cdn", digest] if self.command == "PUT":
                self.hub.stored[digest] = self.body
                self.send(200, {})
            case ["cdn", name, digest]:
                self.send_content(name, self.hub.stored[digest])
            case [org, name, "resolve", revision, file]:
                self.resolve(self.repository(org, name), revision, file)
            case _:
                raise Refused(404, "")

    def repository(self, org, name, write=False) -> Repository:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        repository = self.hub.repositories.get(f"{org}/{name}")
        known = token in self.hub.tokens
        if token and not known:
            raise Refused(401, "")
        if repository is None or (repository.private and not known):
            raise Refused(404 if known else 401, "RepoNotFound")
        if write and (not known or org not in self.hub.tokens[token]):
            raise Refused(403, "")
        return repository

    def create(self, wanted):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        name = f"{wanted['organization']}/{wanted['name']}{SPACE if wanted.get('type') == 'space' else ''}"
        if wanted["organization"] not in self.hub.tokens.get(token, ()):
            raise Refused(403 if token in self.hub.tokens else 401, "")
        exists = name in self.hub.repositories
        if not exists:
            private = wanted.get("private") or wanted.get("visibility") == "private"
            self.hub.repositories[name] = Repository(private=bool(private))
        shown = f"spaces/{name.removesuffix(SPACE)}" if name.endswith(SPACE) else name
        self.send(409 if exists else 200, {"url": f"{self.hub.url}/{shown}", "name": name.removesuffix(SPACE)})

    def find(self, repository, revision):
        commit = repository.find(revision)
        if commit is None:
            raise Refused(404, "RevisionNotFound")
        return commit

    def describe(self, repository, revision):
        commit = self.find(repository, revision)
        self.send(
            200,
            {
                "_id": "1",
                "id": "org/name",
                "sha": commit,
                "private": repository.private,
                "tags": [],
                "siblings": [{"rfilename": name} for name in repository.tree(commit)],
            },
        )

    def list_tree(self, repository, revision):
        entries = []
        for name, content in repository.tree(self.find(repository, revision)).items():
            size = self.hub.claimed.get(name, len(content))
            lfs = {"lfs": {"oid": oid(name, content), "size": size, "pointerSize": 130}} if name.endswith(LFS) else {}
            entries.append({"type": "file", "oid": oid(name, content), "size": size, "path": name, **lfs})
        self.send(200, entries)

    def preupload(self, repository, revision):
        tree = repository.tree(self.find(repository, revision))
        self.send(
            200,
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if file["path"].endswith(LFS) else "regular",
                        "shouldIgnore": False,
                        **({"oid": oid(file["path"], tree[file["path"]])} if file["path"] in tree else {}),
                    }
                    for file in json.loads(self.body)["files"]
                ]
            },
        )

    def lfs_batch(self, wanted):
        def action(entry):
            if entry["oid"] in self.hub.stored:
                return {}
            return {
                "actions": {
                    "upload": {"href": f"{self.hub.cdn}/cdn/{entry['oid']}"},
                    "verify": {"href": f"{self.hub.url}/verify"},
                }
            }

        self.send(200, {"transfer": "basic", "objects": [entry | action(entry) for entry in wanted["objects"]]})

    def commit(self, repository, revision):
        files, gone, message = {}, set(), ""
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            match line["key"]:
                case "header":
                    message = value["summary"]
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.stored[value["oid"]]
                case "deletedFile":
                    gone.add(value["path"])
        commit = repository.commit(files, revision, message, gone)
        self.send(200, {"commitUrl": f"{self.hub.url}/org/name/commit/{commit}", "commitOid": commit})

    def resolve(self, repository, revision, file):
        commit = self.find(repository, revision)
        headers = {"X-Repo-Commit": commit}
        if file not in repository.tree(commit):
            return self.send(404, {}, headers | {"X-Error-Code": "EntryNotFound"})
        content = repository.tree(commit)[file]
        digest = oid(file, content)
        if not file.endswith(LFS):
            return self.send_content(file, content, headers | {"ETag": f'"{digest}"'} | self.hub.headers.get(file, {}))
        self.hub.stored[digest] = content
        size = self.hub.claimed.get(file, len(content))
        return self.send(
            302,
            {},
            headers
            | {
                "X-Linked-ETag": f'"{digest}"',
                "X-Linked-Size": str(size),
                "Location": f"{self.hub.cdn}/cdn/{file}/{digest}",
            }
            | self.hub.headers.get(file, {}),
        )

    def send_content(self, name, content, headers=None):
        """A file, from where a Range begins, and broken off where `cut` says."""
        content, headers = self.hub.changed.get(name, content), headers or {}
        whole, begin = len(content), self.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        if begin:
            self.hub.ranges.append(self.headers["Range"])
            content, headers = content[int(begin) :], headers | {"Content-Range": f"bytes {begin}-{whole - 1}/{whole}"}
        self.send_response(206 if begin else 200)
        for key, value in {**headers, "Content-Length": str(len(content)), "Accept-Ranges": "bytes"}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if name in self.hub.cut:
            self.wfile.write(content[: self.hub.cut.pop(name)])
            self.close_connection = True
            return
        self.wfile.write(content)

    def send(self, status, value, headers=None):
        content = json.dumps(value).encode()
        self.send_response(status)
        for key, text in {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(key, text)
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content)
