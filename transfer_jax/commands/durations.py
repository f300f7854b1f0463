"""Times for people."""


def duration(seconds: float) -> str:
    """A time for people.

    Args:
      seconds: the time.

    Returns:
      It in seconds, minutes, hours or days.

    Example:
      >>> duration(90), duration(40), duration(7200), duration(864000)
      ('1.5 min', '40 s', '2.0 h', '10.0 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
