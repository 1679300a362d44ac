"""What ssh says where a launcher cannot reach a host: the same words under every launcher."""

from __future__ import annotations

from typing import Final

__all__ = ["CONNECTION_WORDS"]

CONNECTION_WORDS: Final = (
    ("Host key verification failed", "ssh does not know the key of a host"),
    ("Permission denied (publickey", "ssh is not let in on a host"),
    ("Could not resolve hostname", "a host name cannot be resolved"),
    ("Connection refused", "a host refuses the connection of ssh"),
    ("Connection timed out", "a host does not answer ssh"),
    ("No route to host", "there is no way to a host"),
)
"""A part of a line of ssh, and what it means."""
