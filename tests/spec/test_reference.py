import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("kind", ["farm", "site"])
def test_the_reference_of_the_files_is_what_the_schema_says(kind):
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    written = (DOCS / "reference" / f"{kind}-file.md").read_text()
    assert written == generate.text(kind), "run: python docs/generate.py"
