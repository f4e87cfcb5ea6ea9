"""Read-only root file systems for nodes: built from recipes, or unpacked.

The netns driver lays an overlay over what `tree` returns; nobody writes below it. Each
is made once, kept under a checksum of all that went in, and shared by processes.
"""

import platform
from collections.abc import Callable
from pathlib import Path

from farmctl.embedded.trees import contained, debian, recipes, sources, store, tarballs
from farmctl.embedded.trees.recipes import Recipe
from farmctl.embedded.trees.store import usual_cache
from farmctl.errors import NotPossibleError

__all__ = ["PREFIX", "tree", "usual_cache"]

PREFIX = "tree:"
"""What an image's path begins with when it names a recipe instead of a file."""


def tree(path: str, *, cache: Path, say: Callable[[str], None]) -> Path:
    """Return the folder of an image's root file system, made if it is not there yet.

    Calling it again is cheap and changes nothing; two processes that ask for the same
    tree make it once.

    Args:
        path: `tree:NAME` for one of farmctl's recipes, `tree:/folder` for a recipe of
            one's own, or a root file system tarball (.tar, .tar.gz, .tar.xz, .tar.zst).
        cache: Where trees are kept; see `usual_cache`.
        say: Told of the progress, a line each.

    Raises:
        NotPossibleError: it cannot be made; the hint says what to do.
        InputError: the recipe is wrong.
    """
    if path.startswith(PREFIX):
        name = path.removeprefix(PREFIX)
        return _built(recipes.read(name, architecture=platform.machine()), cache, say)
    return tarballs.unpacked(Path(path), cache=cache, say=say)


def _built(recipe: Recipe, cache: Path, say: Callable[[str], None]) -> Path:
    if (found := store.found(cache, recipe.key)) is not None:
        return found
    contained.need_root(f"The image tree {recipe.name}")
    contained.need_programs(debian.PROGRAMS)
    mirrors = sources.debian(recipe.suite)
    base = None if recipe.base is None else _built(recipe.base, cache, say)
    with store.locked(cache, recipe.key, say) as lock:
        # Another process may have built it while we waited.
        if (found := store.found(cache, recipe.key)) is not None:
            return found
        contained.need_space(cache, recipe.megabytes, f"Building {recipe.name}")
        log = store.log_file(cache, recipe.key)
        log.write_text("")
        with store.building(cache, recipe.key) as folder:
            runner = contained.Runner(
                log=log,
                folder=folder,
                lock=lock,
                environment=debian.proxies(mirrors[0].uri),
            )
            builder = debian.Builder(
                recipe,
                folder=folder / "tree",
                work=folder / "work",
                runner=runner,
                say=say,
            )
            try:
                builder.build(base, mirrors)
            except OSError as error:
                raise NotPossibleError(
                    f"The image tree {recipe.name} cannot be made: {error}."
                ) from error
    return store.place(cache, recipe.key)
