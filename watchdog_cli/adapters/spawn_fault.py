"""Why a program could not be started, for people: what went wrong, for which thing, and what to do."""

import errno
import os
import sys
from collections.abc import Mapping

from watchdog_cli.core.errors import SpawnError
from watchdog_kit.os_errors import in_words

PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY, errno.EINTR})
SHOWN = 200  # characters of a name in a message


def explain(error: OSError, program: str, folder: str, environment: Mapping[str, str]) -> SpawnError:
    """What went wrong, for which thing, and what to do."""
    if error.errno in PASSING:  # before any look at the folder: what passes is nobody's typo
        return SpawnError(f"cannot start {_shown(program)}: {in_words(error)}", transient=True)
    if not program.strip():
        return SpawnError("the name of the program is empty; is a variable not set that it stands in?")
    if len(program) > SHOWN:
        return SpawnError(f"cannot start {_shown(program)}: {in_words(error)}")
    if not os.path.isdir(folder):
        return SpawnError(f"folder {folder} does not exist; pick another with -C")
    if not os.access(folder, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return SpawnError(f"folder {folder} cannot be entered: permission denied; pick another with -C")
    if error.errno == errno.ENOENT:
        return SpawnError(_explain_missing(program, folder, environment))
    if error.errno in (errno.EACCES, errno.EPERM):
        if os.path.isdir(os.path.join(folder, program)):
            return SpawnError(f"{program} is a folder, not a program")
        if sys.platform == "win32":
            return SpawnError(f"{program} may not be run: access denied")
        return SpawnError(f"{program} is not executable; allow it with: chmod +x {program}")
    if error.errno == errno.ENOEXEC and sys.platform == "win32":
        return SpawnError(
            f"{program} is no program that Windows can run; put its interpreter in front: python {program}"
        )
    if error.errno == errno.ENOEXEC:
        return SpawnError(
            f"{program} is no program the system knows; a script needs a first line such as #!/bin/sh"
        )
    if error.errno == errno.E2BIG:
        return SpawnError("its arguments and environment are too long for the system")
    return SpawnError(f"cannot start {program}: {in_words(error)}")


def _shown(program: str) -> str:
    """The system knows the whole name, a person needs its beginning."""
    return program if len(program) <= SHOWN else f"{program[:SHOWN]}..."


def _explain_missing(program: str, folder: str, environment: Mapping[str, str]) -> str:
    if os.path.dirname(program):
        path = os.path.join(folder, program)
        if os.path.exists(path):
            return f"{program} names an interpreter in its first line that does not exist"
        return f"no such program: {program} (looked in {folder}); check the path"
    hint = "check the spelling, or give its full path"
    if program == "python" and any(
        os.access(os.path.join(entry, "python3"), os.X_OK)
        for entry in environment.get("PATH", os.defpath).split(os.pathsep)
    ):
        hint = "use python3, or activate the virtual environment"
    return f"no such program: {program} (not found in PATH); {hint}"
