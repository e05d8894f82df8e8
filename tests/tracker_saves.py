"""Lists whose tokens carry the number of their save."""

from tracker.model import Token, new_token
from tracker.place import Place
from tracker.store import LinkSteps, Store

MINT = "So11111111111111111111111111111111111111112"
AT = "2026-01-01T00:00:00.000Z"


def generation(number: int, count: int = 3) -> dict[str, Token]:
    """A list whose every token carries the number of its save."""
    return {
        f"{MINT[:-2]}{k + 2}{k + 2}": new_token(f"{MINT[:-2]}{k + 2}{k + 2}", AT, generation=number)
        for k in range(count)
    }


def generation_of(tokens: dict[str, Token]) -> int:
    numbers = {token.fields["generation"] for token in tokens.values()}
    assert len(numbers) == 1, f"a mixture of saves: {numbers}"
    assert len(tokens) == 3
    return int(numbers.pop())


def loaded_store(place: Place, steps: LinkSteps | None = None, most: int = 10) -> Store:
    store = Store(place, most, steps)
    store.load()
    return store
