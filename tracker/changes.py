"""What other terminals and hands change, worked into the running list."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tracker import edits
from tracker.edits import Edit
from tracker.errors import StorageError
from tracker.model import (
    FACTOR,
    HIGHEST,
    HISTORY,
    HISTORY_AT,
    LAST,
    LAST_AT,
    LOW_LIQUIDITY,
    MAX_INCREASE,
    MAX_RISE,
    NEW_FIELDS,
    PAIR,
    PAIR_FACTOR,
    REACHED_50,
    RUGCHECK,
    SOURCE,
    NotAToken,
    Token,
    new_token,
    parse_token,
)
from tracker.place import Place
from tracker.store import Fields, Store
from tracker.token_file import DamagedError, Loaded
from tracker.when import utc_text
from watchdog_kit.records import dataclass

_HALF_WRITTEN_S = 2.0  # an editor that writes in place is given so long to finish
# What the tracker itself goes on changing: a hand-made copy of it is only older.
_OURS = {
    LAST, HIGHEST, MAX_INCREASE, MAX_RISE, LAST_AT, HISTORY, HISTORY_AT, LOW_LIQUIDITY,
    PAIR, PAIR_FACTOR, FACTOR, SOURCE, REACHED_50, RUGCHECK,
}  # fmt: skip


class ChangeDesk:
    """Takes changes from the edit folder and from a main file that somebody changed by hand.

    Args:
        place: the folder.
        store: knows what the main file was.
        say: prints a line.
        saving: says if a save is under way, when the main file is not to be looked at.
        resend: makes an uncertain alert due again.
    """

    def __init__(
        self,
        place: Place,
        store: Store,
        say: Callable[[str], None],
        saving: Callable[[], bool],
        resend: Callable[[int], None],
    ) -> None:
        self._place = place
        self._store = store
        self._say = say
        self._saving = saving
        self._resend = resend
        self._taken: list[str] = []  # worked in, not yet handed to a save
        self._handed: list[str] = []  # in the save that is under way
        self._trouble = ""

    def trouble(self) -> str:
        """Say why a changed main file can be neither read nor replaced, or nothing."""
        return self._trouble

    def take(self, tokens: dict[str, Token], *, final: bool = False) -> bool:
        """Work changes into ``tokens``; True when a save is due for them.

        ``final``: there is no later turn, so a half-written file is not waited for.
        """
        changed = False
        if not self._saving():
            try:
                if self._store.changed_outside():
                    changed = self._merge_outside(tokens, final=final)
                self._trouble = ""
            except StorageError as error:
                if str(error) != self._trouble:
                    self._say(str(error))
                self._trouble = str(error)
        for edit in edits.waiting(self._place):
            if edit.name not in self._taken and edit.name not in self._handed:
                changed = self._apply(edit, tokens) or changed
        return changed

    def handed(self) -> None:
        """Say that the present list was handed to a save."""
        self._handed, self._taken = self._handed + self._taken, []

    def saved(self, *, well: bool) -> None:
        """Say how that save ended."""
        if well:
            edits.done(self._place, self._handed)
        else:
            self._taken = self._handed + self._taken
        self._handed = []

    def _apply(self, edit: Edit, tokens: dict[str, Token]) -> bool:
        if edit.kind == edits.RESEND:
            # Removed first: worked in twice, it could send twice.
            edits.done(self._place, [edit.name])
            self._resend(edit.alert)
            return False
        self._taken.append(edit.name)
        applied = apply_edit(edit, tokens)
        self._store.note_removals(applied.removed)
        if applied.removed:
            self._say(f"removed {applied.removed} tokens, {len(tokens)} are tracked")
        if applied.added:
            self._say(f"added {applied.added} tokens, {len(tokens)} are tracked")
        return True

    def _merge_outside(self, tokens: dict[str, Token], *, final: bool) -> bool:
        base = self._store.base
        try:
            found = self._store.read_outside()
        except DamagedError as error:
            if not final and 0 <= self._store.outside_age_s() < _HALF_WRITTEN_S:
                return False
            for line in self._store.set_outside_aside(str(error)):
                self._say(line)
            return True
        if found is None:
            self._say("tracked_tokens.json was taken away; it is written again")
            return True
        loaded, remarks = found
        for line in remarks:
            self._say(line)
        added, removed, changed = merge(tokens, loaded, base)
        self._store.note_removals(removed)
        self._store.remember(loaded.tokens)
        self._say(
            f"tracked_tokens.json was changed by hand: {added} tokens added, {removed} removed, {changed} changed"
        )
        if not loaded.tokens:
            self._say("the list is empty now, as it was wished; older lists are in backups/")
        return True


@dataclass(frozen=True, slots=True)
class Applied:
    """What an edit changed."""

    added: int = 0
    removed: int = 0


def apply_edit(edit: Edit, tokens: dict[str, Token]) -> Applied:
    """Work one add or remove into the list."""
    if edit.kind == edits.REMOVE:
        return Applied(removed=sum(tokens.pop(address, None) is not None for address in edit.tokens))
    new = [address for address in edit.tokens if edit.kind == edits.ADD and address not in tokens]
    tokens.update({address: token_from(address, edit.tokens[address]) for address in new})
    return Applied(added=len(new))


def token_from(address: str, fields: dict[str, Any]) -> Token:
    """Make a token of what an edit knows of it; an address alone is enough."""
    if not fields:
        return new_token(address, utc_text())
    try:
        token = parse_token(address, fields)
    except NotAToken:
        return new_token(address, utc_text())
    from tracker.token_file import with_history

    points = fields.get(HISTORY)
    missing = {n: v for n, v in NEW_FIELDS.items() if n not in token.fields}
    missing["startTime"] = token.fields.get("startTime") or utc_text()
    return with_history(token.with_fields(**missing), points if isinstance(points, list) else [])


def merge(tokens: dict[str, Token], loaded: Loaded, base: Mapping[str, Fields]) -> tuple[int, int, int]:
    """Work a file that was changed by hand into the running list; return how many were added, removed, changed.

    Args:
        tokens: the running list, changed in place.
        loaded: what stands in the file now.
        base: what stood in the file before it was changed.
    """
    added = removed = changed = 0
    for address, theirs in loaded.tokens.items():
        ours, before = tokens.get(address), base.get(address)
        if ours is None:
            if before is None:
                tokens[address] = theirs
                added += 1
            continue  # else: removed here meanwhile, and that is the newer wish
        old = before if before is not None else {}
        differ = {
            name: value
            for name, value in theirs.fields.items()
            if name not in _OURS and value != old.get(name, None if before is None else _ABSENT)
        }
        differ = {name: value for name, value in differ.items() if value != ours.fields.get(name, _ABSENT)}
        if differ:
            tokens[address] = replace(ours, fields={**ours.fields, **differ})
            changed += 1
    for address in base:
        if (
            address not in loaded.tokens
            and address not in loaded.bad
            and tokens.pop(address, None) is not None
        ):
            removed += 1
    return added, removed, changed


_ABSENT = object()
