"""What the system said, for the middle of a sentence."""


def in_words(error: OSError) -> str:
    """Say in a few words why something did not work: ``permission denied``."""
    return (error.strerror or str(error) or type(error).__name__).lower()
