"""Reading a settings file that may be anything."""

import os

import pytest

from watchdog_kit.settings import SettingsError, read_toml


def refused(path):
    """Return the one line that reading the file gives."""
    with pytest.raises(SettingsError) as caught:
        read_toml(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path.name}: ")
    return text


@pytest.fixture
def path(tmp_path):
    """A settings file that is not there yet."""
    return tmp_path / "watchdog.toml"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_file_from_any_editor_is_read(path, mark, end):
    """The byte order mark and the line ends that Windows editors write are welcome."""
    path.write_bytes(mark + 'name = "سوق"'.encode() + end + b"quiet = true" + end)
    assert read_toml(path) == {"name": "سوق", "quiet": True}


def test_an_empty_file_holds_nothing(path):
    """An empty file is a settings file without settings."""
    path.write_bytes(b"")
    assert read_toml(str(path)) == {}


def test_a_missing_file_is_told_apart(path):
    """Only a file that is not there at all is no complaint of this reader."""
    with pytest.raises(FileNotFoundError):
        read_toml(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a = 1\nb = \n", "line 2, column 5"),
        (b"a = 1\na = 2\n", "line 2"),
        (b'a = """\nx\n', "line 3"),
        (b"a = 1\n\xff\xfe\n", "line 2: it is not UTF-8"),
        ("a = 1".encode("utf-16"), "line 1: it is not UTF-8"),
        (b"a = 1\0", "line 1"),
        (b"a = " + b"9" * 5000, "beyond all measure"),
        (b"a = " + b"[" * 50_000, "beyond all measure"),
        (b"# " + b"x" * 1024 * 1024, "larger than 1MiB"),
    ],
)
def test_a_broken_file_is_told_with_its_line(path, content, reason):
    """Content that is no TOML, or is made to hurt, gives one line that says where to look."""
    path.write_bytes(content)
    assert reason in refused(path)


def test_a_folder_is_no_settings_file(path):
    """A folder of that name is named as such."""
    path.mkdir()
    assert "is a folder" in refused(path)


def test_a_named_pipe_does_not_block(path):
    """A named pipe of that name is refused at once instead of being waited for."""
    os.mkfifo(path)
    assert "no ordinary file" in refused(path)


def test_a_link_to_nowhere_is_not_taken_for_no_file(path):
    """A link whose target is missing is a mistake to be told, not a file that is not there."""
    path.symlink_to(path.parent / "gone")
    assert "leads nowhere" in refused(path)


def test_a_file_that_cannot_be_read_says_why(path):
    """When the system refuses to give the content, its reason is passed on."""
    path.symlink_to("/proc/self/mem")
    assert "cannot be read: input/output error" in refused(path)
