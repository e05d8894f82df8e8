"""From the command that a person types to one that a service manager can start: absolute, and no words of a shell."""

import os
import shutil

from watchdog_kit.quantities import quoted

_SHELL_WORDS = frozenset(
    (
        "alias",
        "bg",
        "cd",
        "eval",
        "exec",
        "export",
        "exit",
        "fg",
        "for",
        "if",
        "set",
        "source",
        "trap",
        "ulimit",
    )
) | {"umask", "unset", "while", ".", "{", "(", "!"}
_REMEDY = "a service has no shell: write it into a script, or say: sh -c '...'"


class NoProgramError(ValueError):
    """The command cannot be started by a service manager; the text is a whole sentence."""


def absolute_command(command: list[str], *, folder: str, path: str) -> list[str]:
    """The command with its program by its absolute path.

    Args:
        folder: where it will run; a path in it is looked for from there.
        path: the PATH in which a plain name is looked for.
    Raises:
        NoProgramError: there is no such program, or it is something that only a shell understands.
    """
    program, *arguments = command
    if not program:
        raise NoProgramError("the command is empty; say which program to run")
    return [_absolute(program, folder, path), *arguments]


def _absolute(program: str, folder: str, path: str) -> str:
    has_folder = os.sep in program or bool(os.altsep and os.altsep in program)
    found = shutil.which(os.path.join(folder, program) if has_folder else program, path=path)
    if found is not None:
        return os.path.abspath(found)
    if program in _SHELL_WORDS or ("=" in program and not has_folder):
        raise NoProgramError(f"{quoted(program)} is a word of the shell, no program; {_REMEDY}")
    first = program.split(maxsplit=1)[0] if program.split() else ""
    if first != program and (os.path.isabs(first) or shutil.which(first, path=path)):
        raise NoProgramError(f"{quoted(program)} is a whole command line in one word; leave the quotes out")
    if has_folder and os.path.lexists(os.path.join(folder, program)):
        raise NoProgramError(
            f"{quoted(program)} cannot be executed; look at its rights (chmod +x), or name its interpreter"
        )
    where = f"in {folder}" if has_folder else "on PATH"
    raise NoProgramError(f"there is no program {quoted(program)} {where}; write its whole path")


def service_path(interpreter: str, path: str) -> str:
    """PATH for the entry: what the person who installs it has, so that names mean the same; then our own folder."""
    folders = [*path.split(os.pathsep), os.path.dirname(interpreter)]
    kept = dict.fromkeys(folder for folder in folders if os.path.isabs(folder) and folder.isprintable())
    return os.pathsep.join(kept)
