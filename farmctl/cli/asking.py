"""Asking before something changes, and refusing to where nobody can answer."""

import click

from farmctl.cli import terminal


def agreed(question: str, *, yes: bool) -> None:
    """Return if the person agrees.

    Args:
        question: what would be done.
        yes: the person has agreed beforehand.

    Raises:
        click.UsageError: nobody is there to be asked.
        click.Abort: the person does not agree.
    """
    if yes:
        return
    if not terminal.interactive():
        raise click.UsageError(
            "Nobody is here to be asked, and nothing was changed. Add --yes to agree "
            "beforehand."
        )
    if not click.confirm(question, err=True):
        raise Declined


class Declined(click.ClickException):
    """The person said no: no error of the program's, but not done either."""

    def __init__(self) -> None:
        super().__init__("Nothing was changed.")

    def show(self, file: object = None) -> None:
        """Say so, without the word error."""
        del file
        terminal.say(self.message)
