"""How many descriptors one use may take, so that what must not fail still finds some: count, signal, spawn, save."""

# Measured: 17 in a quiet watchdog, and what a look at a process, a save and a spawn open for a moment.
OWN_NEED = 24


def share(most: int) -> int:
    """How many of at most ``most`` may be open at once under the present limit of this process."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return most
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else max(1, min(most, (soft - OWN_NEED) // 2))
