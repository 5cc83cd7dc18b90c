"""The one kind of error that is meant for the user."""

from __future__ import annotations


class ZooError(ValueError):
    """What the user gave cannot be used; the message says why, the remedy, and ends in "Received: ...".

    The command line shows it as one line. Every other exception is a bug, and shows its traceback.

    Example:
        >>> import zoo
        >>> zoo.load_recipe("dcgan-cifar")
        Traceback (most recent call last):
            ...
        zoo.files.errors.ZooError: there is no recipe of that name, did you mean 'dcgan-cifar10'? Received: ...
    """
