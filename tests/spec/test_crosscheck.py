from farmctl.spec import check, parse_farm, parse_site


def told(farm, site):
    return [str(mistake) for mistake in check(farm, site)]


def test_a_farm_that_fits_its_site_has_no_mistakes(farm_text, site_text):
    assert told(parse_farm(farm_text), parse_site(site_text)) == []


def test_an_image_that_the_site_lacks_is_named_with_the_nearest(farm_text, site_text):
    text = farm_text.replace("image: wn-el9", "image: wn-el8")
    text = text.replace("image: head-el9", "image: rocky")
    assert told(parse_farm(text, "alice-wn.yaml"), parse_site(site_text)) == [
        (
            "alice-wn.yaml:9:15  head.image: site torino has no image called 'rocky'. "
            "It has openwrt, head-el9, wn-el9."
        ),
        (
            "alice-wn.yaml:12:12  pools.wn.image: site torino has no image called "
            "'wn-el8'. Did you mean 'wn-el9'?"
        ),
    ]


def test_a_network_outside_the_supernet_is_refused(farm_text, site_text):
    farm = parse_farm(farm_text + "network: 10.1.2.0/24\n", "a.yaml")
    assert told(farm, parse_site(site_text)) == [
        (
            "a.yaml:18:10  network: 10.1.2.0/24 is outside 172.16.0.0/16, where site "
            "torino has its farms. Write auto, or a /24 of it."
        )
    ]


def test_a_reserved_network_is_refused(farm_text, site_text):
    farm = parse_farm(farm_text + "network: 172.16.9.0/24\n", "a.yaml")
    assert told(farm, parse_site(site_text)) == [
        (
            "a.yaml:18:10  network: site torino keeps 172.16.9.0/24 for itself. "
            "Write auto, or another /24."
        )
    ]


def test_a_public_address_among_the_farms_is_refused(farm_text, site_text):
    text = farm_text.replace("  forwards:", "  public_address: 172.16.3.7\n  forwards:")
    assert told(parse_farm(text, "a.yaml"), parse_site(site_text)) == [
        (
            "a.yaml:7:19  router.public_address: 172.16.3.7 is inside 172.16.0.0/16, "
            "the farms' own networks. Write auto, none or an address of the public "
            "network."
        )
    ]


def test_a_playbook_at_a_site_without_login_is_refused(farm_text, site_text):
    farm = parse_farm(farm_text + "playbook: site.yml\n", "a.yaml")
    assert told(farm, parse_site(site_text)) == [
        (
            "a.yaml:18:11  playbook: site torino has no login, and a playbook needs a "
            "way into the nodes. Add login to the site file, or leave the playbook out."
        )
    ]
    without = parse_farm(farm_text + "playbook: none\n", "a.yaml")
    assert told(without, parse_site(site_text)) == []
