"""Who a system entry runs as, and whether that account can get at what it shall start (POSIX only)."""

import os
import stat
from typing import Any

from watchdog_kit.records import dataclass


class NoAccountError(ValueError):
    """There is no such account; the text is a whole sentence."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    groups: frozenset[int]

    def blocked_at(self, path: str) -> str | None:
        """The first part of the path that this user may not pass; None when it can be reached.

        Looks at plain rights only, which is what bars a service in practice (a home with 0700).
        """
        if self.uid == 0:
            return None
        for way in dict.fromkeys((path, os.path.realpath(path))):
            parent = os.path.dirname(way)
            parents = []
            while parent != os.path.dirname(parent):
                parents.append(parent)
                parent = os.path.dirname(parent)
            for folder in reversed(parents):
                if not self._may_pass(folder):
                    return folder
        return None

    def _may_pass(self, folder: str) -> bool:
        try:
            found = os.stat(folder)
        except OSError:
            return True  # whoever starts it finds out; we cannot tell
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid in self.groups:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)


def find_account(name: str) -> Account:
    """The account with this name.

    Raises:
        NoAccountError: there is none.
    """
    import pwd

    try:
        return _account(pwd.getpwnam(name))
    except (KeyError, ValueError, UnicodeEncodeError):
        raise NoAccountError(f"there is no user {name!r} on this machine") from None


def owner_of(folder: str) -> Account:
    """The account that the folder belongs to.

    Raises:
        NoAccountError: its owner has no name here.
    """
    import pwd

    uid = os.stat(folder).st_uid
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        raise NoAccountError(
            f"{folder} belongs to user {uid}, who has no name here; say who with --run-as"
        ) from None


def _account(record: Any) -> Account:
    try:
        groups = os.getgrouplist(record.pw_name, record.pw_gid)
    except OSError:
        groups = [record.pw_gid]
    return Account(record.pw_name, record.pw_uid, frozenset(groups))
