"""Records compare, hash and show like those of the library, at less cost."""

import dataclasses

import pytest

from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """Two fields, one with a default."""

    x: int
    y: int = 2


@dataclass(frozen=True, slots=True)
class Other:
    """The same fields under another name."""

    x: int
    y: int = 2


@dataclass(slots=True)
class Box:
    """One that may change."""

    content: list[int] = dataclasses.field(default_factory=list)
    secret: str = dataclasses.field(default="s3cret", repr=False)


def test_equal_means_same_class_and_same_values():
    """Records are equal by value, and never across classes."""
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
    assert Point(1) != (1, 2)


def test_frozen_ones_can_be_keys():
    """Equal frozen records are one key; records that may change are none."""
    assert {Point(1): "a"}[Point(1, 2)] == "a"
    assert len({Point(1), Other(1)}) == 2
    with pytest.raises(TypeError):
        hash(Box())


def test_shown_with_names_but_without_secrets():
    """The text of a record names its fields, and leaves out what must not be shown."""
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert repr(Box([1])) == "Box(content=[1])"


def test_tools_of_the_library_know_them():
    """replace, fields, asdict and match work as with the library's own."""
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 2}
    assert [field.name for field in dataclasses.fields(Point)] == ["x", "y"]
    match Point(3, 4):
        case Point(x, y=4):
            assert x == 3
        case _:
            pytest.fail("it did not match")


def test_no_other_attributes():
    """A misspelt name is an error and no new field."""
    box = Box()
    with pytest.raises(AttributeError):
        box.contents = []
    box.content = [1]
    assert box == Box([1])
    assert Box().content is not Box().content
