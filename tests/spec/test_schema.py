import jsonschema
import pytest
import yaml

from farmctl import assets
from farmctl.spec import canonical, json_schema, parse_farm, read_farm, read_site

EXAMPLES = sorted(assets.path("inventories", "examples").glob("*.yaml"))
FARMS = [path for path in EXAMPLES if path.name != "site.yaml"]


def validator(which):
    schema = json_schema(which)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def parts(schema):
    yield schema
    yield from schema["$defs"].values()


@pytest.mark.parametrize("which", ["farm", "site"])
def test_every_field_says_what_it_is_for(which):
    schema = json_schema(which)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == f"farmctl {which} file"
    fields = [
        (name, field)
        for part in parts(schema)
        for both in [part, *part.get("anyOf", [])]
        for name, field in both.get("properties", {}).items()
    ]
    assert len(fields) > 20
    described = {
        name: field.get("description")
        or schema["$defs"][field["$ref"].rpartition("/")[2]]["description"]
        for name, field in fields
    }
    assert all(described.values())
    assert not any("\n" in text for text in described.values())


@pytest.mark.parametrize("which", ["farm", "site"])
def test_the_schemas_own_example_fits_it(which):
    [example] = json_schema(which)["examples"]
    validator(which).validate(example)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_fit_the_schema(path):
    which = "site" if path.name == "site.yaml" else "farm"
    validator(which).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", FARMS, ids=lambda path: path.stem)
def test_a_record_fits_the_schema_too(path):
    validator("farm").validate(canonical(read_farm(path))["farm"])


@pytest.mark.parametrize(
    "spoiled",
    [
        ("count: {min: 0, max: 40}", "count: {min: 0, mox: 40}"),
        ("memory: 15GiB", "memory: 15 gigs"),
        ("kind: batch", "kind: batsh"),
        ("port: 2222", "port: 70000"),
        ("7d", "7 days"),
        ("to: head", "to: [head]"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(farm_text, spoiled):
    values = yaml.safe_load(farm_text.replace(*spoiled))
    with pytest.raises(jsonschema.ValidationError):
        validator("farm").validate(values)


def test_the_schema_shows_what_people_write(farm_text):
    farm = json_schema("farm")["$defs"]
    assert farm["Router"]["properties"]["memory"]["default"] == "192MiB"
    assert farm["Forward"]["properties"]["from"]["default"] == ["0.0.0.0/0"]
    assert "count" in farm["Pool"]["required"]
    site = json_schema("site")["$defs"]
    assert site["Deadlines"]["properties"]["ready"]["default"] == "10m"
    assert parse_farm(farm_text).router.memory == 192


def test_torinos_site_and_its_farms_belong_together():
    site = read_site(assets.path("inventories", "examples", "site.yaml"))
    farms = {path.stem: read_farm(path) for path in FARMS}
    assert site.name == "torino"
    assert {name: farm.kind for name, farm in farms.items()} == {
        "alice-wn": "batch",
        "m5l": "imaging",
        "sandbox": "plain",
        "taf": "interactive",
    }
    assert farms["alice-wn"].pools["wn"].count.start == 40
    assert farms["taf"].pools["wn"].count.start == 24
    assert farms["sandbox"].pools["vm"].count.start == 2
