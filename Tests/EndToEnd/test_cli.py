"""The commands of `router` that end by themselves."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from gateway import ROOT, config, deployment, model, run_router

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def config_file(tmp_path: Path):
    """Writes configurations and returns their paths."""

    def write(settings: dict | str) -> str:
        path = tmp_path / "router.json"
        path.write_text(settings if isinstance(settings, str) else json.dumps(settings, indent=2))
        return str(path)

    return write


def pool() -> dict:
    return config(
        model("cheap", deployment(URL)),
        model("strong", deployment(URL), tier="strong", price={"input": 5.0, "output": 15.0}),
    )


def test_check_accepts_a_good_configuration(router, config_file):
    finished = run_router(router, "check", "--config", config_file(pool()))
    assert finished.returncode == 0, finished.stderr
    assert "2 models" in finished.stdout


def test_the_readmes_configuration_is_right(router, config_file):
    readme = (ROOT / "README.md").read_text()
    example = next(block for block in re.findall(r"```json\n(.*?)```", readme, re.S) if '"models"' in block)
    finished = run_router(router, "check", "--config", config_file(example), env={"OPENAI_API_KEY": "sk-any"})
    assert finished.returncode == 0, finished.stderr


def test_check_names_line_and_key_and_suggests_the_nearest(router, config_file):
    text = json.dumps(pool(), indent=2).replace('"deployments"', '"deploymnets"', 1)
    line = 1 + next(number for number, content in enumerate(text.splitlines()) if "deploymnets" in content)
    finished = run_router(router, "check", "--config", config_file(text))
    assert finished.returncode != 0
    said = finished.stdout + finished.stderr
    assert "deploymnets" in said and "deployments" in said.replace("deploymnets", "")
    assert str(line) in said


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"models": []}, "models"),
        ({"mode": "cheapest"}, "mode must be one of"),
        ({"loops": -1}, "loops"),
        ({"listen": "nowhere"}, "listen"),
        ({"client_keys": [{"name": "a", "sha256": "short"}]}, "sha256"),
    ],
)
def test_check_refuses_values_that_make_no_sense(router, config_file, change, expected):
    finished = run_router(router, "check", "--config", config_file(pool() | change))
    assert finished.returncode != 0
    assert expected in finished.stdout + finished.stderr


def test_check_says_when_a_key_is_not_in_the_environment(router, config_file):
    settings = config(model("cheap", deployment(URL, auth="bearer", key_env="SURELY_NOT_SET_ANYWHERE")))
    finished = run_router(router, "check", "--config", config_file(settings))
    assert "SURELY_NOT_SET_ANYWHERE" in finished.stdout + finished.stderr


def test_check_of_a_file_that_is_not_there(router, tmp_path):
    finished = run_router(router, "check", "--config", str(tmp_path / "absent.json"))
    assert finished.returncode != 0
    assert "absent.json" in finished.stdout + finished.stderr


def test_route_prints_the_receipt_without_calling_anybody(router, config_file):
    finished = run_router(router, "route", "--config", config_file(pool()), "What is 2 + 2?")
    assert finished.returncode == 0, finished.stderr
    assert "cheap" in finished.stdout and "strong" in finished.stdout


def test_explain_says_what_spoke_and_what_would_flip_the_choice(router, config_file):
    given = ["explain", "--config", config_file(pool()), "--mode", "quality"]
    finished = run_router(router, *given, "Maria buys 3 boxes of 12 pens. How many pens are there?")
    assert finished.returncode == 0, finished.stderr
    assert "an average prompt" in finished.stdout and "edits tried" in finished.stdout
    shown = json.loads(run_router(router, *given, "--json", "--", "-- \x1b[2J \u00e9 \U0001f600").stdout)
    assert shown["decision"]["chosen"] and "policy_flips" in shown


def test_models_lists_the_pool(router, config_file):
    finished = run_router(router, "models", "--config", config_file(pool()))
    assert finished.returncode == 0, finished.stderr
    assert "cheap" in finished.stdout and "strong" in finished.stdout


def test_report_sums_up_a_log(router, start_gateway, fake, second_fake, tmp_path):
    gateway = start_gateway(config(
        model("cheap", deployment(fake.url)),
        model("strong", deployment(second_fake.url), tier="strong", price={"input": 5.0, "output": 15.0})))
    for _ in range(3):
        gateway.chat("auto:cost")
    gateway.chat("strong")
    gateway.log_lines(4)
    svg = tmp_path / "report.svg"
    finished = run_router(router, "report", str(gateway.log_path), "--svg", str(svg))
    assert finished.returncode == 0, finished.stderr
    assert "cheap" in finished.stdout and "strong" in finished.stdout
    assert svg.read_text().lstrip().startswith("<svg") or "<svg" in svg.read_text()


def test_hash_key_prints_what_client_keys_want(router):
    finished = subprocess.run([router, "hash-key"], input="sk-right\n", capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert hashlib.sha256(b"sk-right").hexdigest() in finished.stdout


def test_an_unknown_command_is_an_error_that_suggests_the_nearest(router):
    finished = run_router(router, "srve")
    assert finished.returncode == 2
    assert "serve" in finished.stderr


def test_no_command_shows_the_usage(router):
    assert "router serve --config" in run_router(router).stdout
