"""The set-up scripts: quiet when nothing is to do, and the user's own package sources are used."""

import subprocess

import pip_config_for_uv
from gateway import ROOT


def test_a_second_set_up_does_nothing_and_says_nothing():
    finished = subprocess.run([ROOT / "Scripts" / "setup.sh", "test"], capture_output=True, text=True, check=True)
    assert finished.stdout == finished.stderr == ""


def test_pips_sources_are_handed_to_uv():
    listing = "\n".join([
        "global.find-links='/srv/wheels\\n/srv/more'",
        "global.index-url='https://mirror.example/simple'",
        "install.extra-index-url='https://a.example/simple https://b.example/simple'",
        ":env:.cert='/etc/ssl/own.pem'",
        "global.disable-pip-version-check='1'",
    ])
    assert pip_config_for_uv.translate(listing) == {
        "UV_FIND_LINKS": "/srv/wheels,/srv/more",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "SSL_CERT_FILE": "/etc/ssl/own.pem",
    }


def test_the_environment_wins_over_pips_files():
    listing = ":env:.index-url='https://mine.example'\nglobal.index-url='https://site.example'\n"
    assert pip_config_for_uv.translate(listing) == {"UV_DEFAULT_INDEX": "https://mine.example"}


def test_every_requirement_is_pinned():
    for path in (ROOT / "Scripts").glob("requirements-*.txt"):
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        assert lines and all("==" in line for line in lines), path.name
