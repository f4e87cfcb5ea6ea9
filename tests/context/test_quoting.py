import subprocess

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farmctl.context import quoting
from farmctl.errors import NotPossibleError

HOSTILE = [
    "'; touch pwned; '",
    '"$(touch pwned)"',
    "`touch pwned`",
    "a\nb\n\nc\n",
    "\\",
    "$HOME ${IFS} $1 !! ~ * ? [a] {a,b}",
    "-e -n --",
    "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd",
    "\N{PILE OF POO}",
    "x" * 65_536,
    "",
    "\t \x1b[31m",
]


def templates(**named):
    made = quoting.environment("/nowhere")
    made.loader = jinja2.DictLoader(named)
    return made


def printed(value):
    script = quoting.render(
        templates(t="printf %s {{ v | sh }}"), "t", {"v": value}
    ).encode()
    return subprocess.run(
        ["sh"], input=script, capture_output=True, check=True
    ).stdout.decode()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_arrives_unchanged(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert printed(text) == text
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200))
def test_any_text_arrives_unchanged(text):
    assert printed(text) == text


def test_a_list_arrives_word_by_word():
    script = quoting.render(
        templates(t="for w in {{ v | sh_words }}; do printf '<%s>' \"$w\"; done"),
        "t",
        {"v": ["a b", "", "'", "$(id)"]},
    )
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, check=True, text=True
    )
    assert done.stdout == "<a b><><'><$(id)>"


@pytest.mark.parametrize("text", ["a\0b", "\ud83d"])
def test_what_a_shell_cannot_hold_is_refused(text):
    with pytest.raises(NotPossibleError):
        quoting.shell(text)


@pytest.mark.parametrize(
    "template",
    [
        "{{ v }}",
        "{{ v | upper }}",
        "{{ v | sh | upper }}",
        "{{ v | sh ~ v }}",
        "{{ v | safe }}",
        "{{ v | e }}",
        "{{ 'a literal' }}",
        "{{ [v] }}",
        "{% for w in [v] %}{{ w }}{% endfor %}",
        "{% macro m() %}{{ v | sh }}{% endmacro %}{{ m() }}",
        "{{ none }}",
        "{{ true }}",
    ],
)
def test_an_unquoted_expression_is_an_error(template):
    with pytest.raises(quoting.UnquotedError, match="without quoting it"):
        quoting.render(templates(t=template), "t", {"v": "$(id)"})


def test_a_whole_number_needs_no_quotes():
    assert quoting.render(templates(t="n={{ 5 + n }}"), "t", {"n": 3}) == "n=8"


@pytest.mark.parametrize("template", ["{{ missing | sh }}", "{{ missing }}"])
def test_a_missing_value_is_named(template):
    with pytest.raises(NotPossibleError, match="'missing' is undefined"):
        quoting.render(templates(t=template), "t", {})


def test_a_missing_template_is_named():
    with pytest.raises(NotPossibleError, match=r"The template t\.j2 is missing"):
        quoting.render(templates(), "t.j2", {})
