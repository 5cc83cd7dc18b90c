"""TFDS data sets."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from urllib.parse import urlparse
from urllib.request import getproxies

from zoo.data.sources.base import Content, Item, Source, array_item
from zoo.files.errors import ZooError

ANSWER_SECONDS = 5.0  # for a connection; TFDS itself would try for minutes

logger = logging.getLogger("ganzoo")


def tfds_source(source: str, data_dir: str | None) -> Source:
    """The data set `tfds:NAME[/CONFIG][/SPLIT]`; its test split is held out, if it is not asked for."""
    import tensorflow_datasets as tfds

    name, split = re.fullmatch(r"tfds:(.*?)(?:/((?:train|test|validation)\b.*))?", source).groups("train")
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (ValueError, AssertionError) as error:
        near = get_close_matches(name, tfds.list_builders(with_community_datasets=False))
        remedy = f"Did you mean {', '.join(near)}?" if near else "See tensorflow.org/datasets/catalog."
        reason = str(error).partition("\n")[0]
        raise ZooError(f"no such TFDS data set: {reason} {remedy} Received: {source!r}") from error
    features = builder.info.features

    def first(kind: type) -> str | None:
        return next((key for key, feature in features.items() if isinstance(feature, kind)), None)

    image, label = first(tfds.features.Image), first(tfds.features.ClassLabel)
    if image is None:
        raise ZooError(f"the TFDS data set has no images, only {', '.join(features)}. Received: {source!r}")

    def part(split: str, heldout: bool) -> Iterator[Item]:
        decoders = tfds.decode.PartialDecoding({key: True for key in (image, label) if key})
        examples = builder.as_dataset(split=split, decoders=decoders).as_numpy_iterator()
        for i, example in enumerate(examples):
            yield array_item(f"{split} {i}", example[image], int(example[label]) if label else None, heldout)

    @contextmanager
    def opened() -> Iterator[Content]:
        if not builder.is_prepared():
            _require_connection(builder, source)
        try:
            builder.download_and_prepare()
            splits = builder.info.splits
            tests = "test" in splits and not re.search(r"\btest\b", split)
            count = splits[split].num_examples + (splits["test"].num_examples if tests else 0)
        except Exception as error:  # no network, no room, a manual download, an unknown split
            reason = str(error).strip().partition("\n")[0]
            raise ZooError(
                f"TFDS cannot provide the data: {reason} Check the split and the network, or give the "
                f"data_dir in which the data set is prepared. Received: {source!r}"
            ) from error

        def items() -> Iterator[Item]:
            yield from part(split, heldout=False)
            if tests:
                yield from part("test", heldout=True)

        yield Content(count, items, list((features[label].names or []) if label else []), {})

    return Source(f"{builder.name}-{split}", ["tfds", builder.info.full_name, split], opened)


def _require_connection(builder, source: str) -> None:
    """Says what will be downloaded, and raises ZooError at once where no server can be reached."""
    servers = sorted({urlparse(url).hostname for url in builder.url_infos} - {None})
    home = servers[0] if servers else urlparse(builder.info.homepage).hostname or "www.tensorflow.org"
    # TFDS knows the whole size from its own server alone, and that of each file without it.
    size = builder.info.download_size or sum(file.size for file in builder.url_infos.values())
    told = f", {size / 2**20:,.0f} MiB," if size else ""
    logger.warning(f"the data set {builder.info.full_name} is not on this machine: downloading it{told} from {home}")
    if getproxies():  # which alone knows
        return
    for host in (home, "storage.googleapis.com"):  # where TFDS keeps what it knows of its data sets
        try:
            socket.create_connection((host, 443), timeout=ANSWER_SECONDS).close()
            return
        except OSError:
            continue
    raise ZooError(
        f"the data set must be downloaded, and neither {home} nor storage.googleapis.com can be reached. Connect, name "
        "the folder in which it is prepared with --data-dir, or give images of your own with --data. "
        f"Received: {source!r}"
    )
