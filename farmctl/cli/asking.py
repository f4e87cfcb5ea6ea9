"""Asking before something changes, and refusing to where nobody can answer."""

import click

from farmctl.cli import terminal


def agreed(question: str, *, yes: bool) -> None:
    """Return if the person agrees.

    Args:
        question: what would be done.
        yes: the person has agreed beforehand.

    Raises:
        NobodyToAsk: no terminal is there to ask on.
        Declined: the person does not agree.
    """
    if yes:
        return
    if not terminal.interactive():
        raise NobodyToAsk
    if not click.confirm(question, err=True):
        raise Declined


class NobodyToAsk(click.ClickException):
    """No terminal is there to ask on; a mistake in the call: exit status 2."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__(
            "Nobody is here to be asked, and nothing was changed. Add --yes to agree "
            "beforehand."
        )

    def show(self, file: object = None) -> None:
        """Say so."""
        del file
        terminal.say(self.message)


class Declined(click.ClickException):
    """The person said no: no error of the program's, but not done either."""

    def __init__(self) -> None:
        super().__init__("Nothing was changed.")

    def show(self, file: object = None) -> None:
        """Say so, without the word error."""
        del file
        terminal.say(self.message)
