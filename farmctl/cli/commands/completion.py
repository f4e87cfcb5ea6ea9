"""`farmctl completion`: the script that makes a shell complete farmctl's words."""

import click

INSTALL = {
    "bash": """\
# farmctl completion for bash (4.4 or later). For one user:
#   farmctl completion bash > ~/.local/share/bash-completion/completions/farmctl
# for everybody:
#   farmctl completion bash > /etc/bash_completion.d/farmctl
# or for this shell only:
#   eval "$(farmctl completion bash)"
""",
    "zsh": """\
#compdef farmctl
# farmctl completion for zsh. Into a folder of your $fpath, before compinit runs:
#   farmctl completion zsh > "${fpath[1]}/_farmctl"
# or for this shell only:
#   eval "$(farmctl completion zsh)"
""",
    "fish": """\
# farmctl completion for fish:
#   farmctl completion fish > ~/.config/fish/completions/farmctl.fish
# or for this shell only:
#   farmctl completion fish | source
""",
}


@click.command(
    epilog="""\b
Examples:
  eval "$(farmctl completion bash)"
  farmctl completion zsh > "${fpath[1]}/_farmctl"
  farmctl completion fish > ~/.config/fish/completions/farmctl.fish
"""
)
@click.argument("shell", type=click.Choice(list(INSTALL)))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of bash, zsh or fish.

    The script itself says how to install it. Names of farms and pools are completed
    from what the cloud shows, if it answers within a second.
    """
    from click.shell_completion import (  # noqa: PLC0415 - for this command only
        get_completion_class,
    )

    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    made = kind(root, {}, "farmctl", "_FARMCTL_COMPLETE")
    script = kind.source_template % made.source_vars()
    if script.startswith("#compdef"):
        script = script.partition("\n")[2]
    click.echo(f"{INSTALL[shell]}\n{script.strip()}")
