import pytest

from farmctl.errors import InputError
from farmctl.playbook import configuration, located, mistakes
from farmctl.playbook.files import shipped

OWN = """\
- hosts: workers
  vars_files: [more.yml]
  tasks: [{name: Say so, ansible.builtin.debug: {msg: hello}}]
- import_playbook: other.yml
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.yml").write_text(OWN)
    (tmp_path / "other.yml").write_text("- hosts: all\n")
    (tmp_path / "more.yml").write_text("a: !vault x\n")
    (tmp_path / "roles" / "mine" / "tasks").mkdir(parents=True)
    (tmp_path / "roles" / "mine" / "tasks" / "main.yml").write_text("[]\n")
    return tmp_path


def test_the_sites_playbook_is_the_one_that_comes_along(make_farm, make_site):
    assert located(make_farm(), make_site()) == shipped() / "site.yml"


def test_a_file_beside_the_site_file_wins(make_farm, make_site, tmp_path):
    (tmp_path / "site.yml").write_text("- hosts: all\n")
    assert located(make_farm(), make_site()) == tmp_path / "site.yml"


def test_a_farm_may_have_a_playbook_of_its_own_or_none(make_farm, make_site, own):
    farm = make_farm("playbook: own.yml\n")
    assert located(farm, make_site()) == own / "own.yml"
    none = make_farm("playbook: none\n")
    assert located(none, make_site()) is None
    assert configuration(none, make_site()) == ""


def test_a_farm_out_of_a_document_finds_the_same_playbook(make_farm, make_site, own):
    from_file = make_farm("playbook: own.yml\n")
    from_document = from_file.model_copy()
    assert located(from_document, make_site()) == own / "own.yml"
    assert configuration(from_document, make_site()) == configuration(
        from_file, make_site()
    )


def test_a_playbook_that_is_not_there_is_told_with_its_line(
    make_farm, make_site, tmp_path
):
    farm = make_farm("playbook: mine.yml\n")
    assert [str(each) for each in mistakes(farm, make_site())] == [
        (
            f"alice.yaml:10:11  playbook: there is no {tmp_path}/mine.yml. A relative "
            "name begins where the site file is; write site.yml for the playbook that "
            "farmctl brings along."
        )
    ]
    with pytest.raises(InputError):
        configuration(farm, make_site())


@pytest.mark.parametrize("where", ["{outside}/own.yml", "../outside/own.yml", "in.yml"])
def test_a_farm_names_no_playbook_outside_the_site_files_folder(
    make_farm, make_site, tmp_path, where
):
    site = make_site()
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "own.yml").write_text("- hosts: localhost\n")
    (tmp_path / "in.yml").symlink_to(outside / "own.yml")
    farm = make_farm(f"playbook: {where.format(outside=outside)}\n")
    (told,) = mistakes(farm, site)
    assert told.message.endswith(f"is not in the site file's folder, {tmp_path}.")
    with pytest.raises(InputError):
        configuration(farm, site)


def test_the_digest_is_short_and_plain(make_farm, make_site):
    digest = configuration(make_farm(), make_site())
    assert len(digest) == 32
    assert set(digest) <= set("0123456789abcdef")


def test_the_size_of_a_pool_changes_no_digest(make_farm, make_site):
    before = make_farm()
    pool = before.pools["wn"]
    more = pool.model_copy(update={"count": pool.count.model_copy(update={"max": 50})})
    after = before.model_copy(update={"pools": {**before.pools, "wn": more}})
    assert configuration(after, make_site()) == configuration(before, make_site())


@pytest.mark.parametrize(
    "changed",
    [
        {"variables": {"VO": "bob"}},
        {"batch": None},
        {"pools": {}},
        {"kind": "plain"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_nodes_are_told_changes_the_digest(changed, make_farm, make_site):
    before = make_farm()
    after = before.model_copy(update=changed)
    assert configuration(after, make_site()) != configuration(before, make_site())


@pytest.mark.parametrize(
    "file", ["own.yml", "other.yml", "more.yml", "roles/mine/tasks/main.yml"]
)
def test_what_a_playbook_rests_on_changes_the_digest(file, make_farm, make_site, own):
    farm = make_farm("playbook: own.yml\n")
    before = configuration(farm, make_site())
    (own / file).write_text((own / file).read_text() + "# another\n")
    assert configuration(farm, make_site()) != before


def test_what_lies_beside_and_is_no_part_of_it_changes_nothing(
    make_farm, make_site, own
):
    farm = make_farm("playbook: own.yml\n")
    before = configuration(farm, make_site())
    (own / "bob.yaml").write_text("farm: bob\n")
    (own / "roles" / "__pycache__").mkdir()
    (own / "roles" / "__pycache__" / "x.pyc").write_text("")
    assert configuration(farm, make_site()) == before


def test_a_playbook_that_is_no_yaml_has_a_digest_all_the_same(
    make_farm, make_site, own
):
    (own / "own.yml").write_text("- hosts: [\n")
    assert configuration(make_farm("playbook: own.yml\n"), make_site()) != ""
