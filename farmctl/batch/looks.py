"""Several commands as one look: one round trip, and nothing that was cut off counts.

Each command's output ends with a mark on a line of its own; the first command that
fails ends the look with its status.
"""

from farmctl.errors import BatchAnswerError

MARK = "==farmctl=="

PART = f"""
part() {{ "$@" && printf '\\n%s\\n' '{MARK}'; }}
"""
"""Shell: runs a command and writes the mark after its output, if it succeeded."""


def parts(text: str, count: int, *, system: str) -> list[str]:
    """Return what each of `count` commands wrote.

    Raises:
        BatchAnswerError: one is missing or is not whole.
    """
    found = text.split(f"\n{MARK}\n")
    if len(found) != count + 1 or found[-1].strip():
        raise BatchAnswerError(
            f"{system}'s answer is cut off: {len(found) - 1} of {count} parts came.",
            hint="Nothing is concluded from it; it is asked again.",
        )
    return found[:-1]
