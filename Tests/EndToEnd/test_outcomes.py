"""The commands of `router` that work on measured outcomes and on decision logs."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from gateway import config, deployment, model, run_router

TIERS = {
    "tiers": {"s": ["small", "middle", "big"]},
    "prices": {"small": [0.05, 0.08, "L"], "middle": [0.1, 0.4, "L"], "big": [2.5, 10, "L"]},
}
PROMPTS = ["hi", "Prove that 2 is prime.", "Maria buys 3 boxes of 12 pens. How many?", "", "Was ist los? Код: x = 1"]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Rows, one of them broken, and their pools."""
    rows = [
        json.dumps({"id": f"r{index}", "source": "s", "prompt": PROMPTS[index % len(PROMPTS)],
                    "models": {"small": index % 2, "middle": 1, "big": 1}, "cost": {"big": 0.1}})
        for index in range(40)
    ]
    data, tiers = tmp_path / "rows.jsonl", tmp_path / "tiers.json"
    data.write_text("\n".join(rows[:20] + ['{"id": "broken"'] + rows[20:]) + "\n")
    tiers.write_text(json.dumps(TIERS))
    return str(data), str(tiers)


def test_score_prints_one_decision_a_row_and_names_what_it_left_out(router, files):
    data, tiers = files
    finished = run_router(router, "score", "--data", data, "--tiers", tiers)
    assert finished.returncode == 0, finished.stderr
    lines = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [line["id"] for line in lines] == [f"r{index}" for index in range(40)]
    for line in lines:
        assert set(line) == {"id", "quality", "support", "choice", "reason"}
        assert list(line["quality"]) == ["cheap", "mid", "strong"]
        assert line["choice"] in TIERS["tiers"]["s"]
    assert "line 21: broken_json" in finished.stderr


def test_eval_prints_a_table_or_json_and_draws(router, files, tmp_path):
    data, tiers = files
    svg = tmp_path / "curves.svg"
    finished = run_router(router, "eval", "--data", data, "--tiers", tiers, "--plot", str(svg))
    assert finished.returncode == 0, finished.stderr
    assert "APGR" in finished.stdout and "natural mix" in finished.stdout
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    figures = json.loads(run_router(router, "eval", "--data", data, "--tiers", tiers, "--json").stdout)
    assert figures["rows"] == 40 and figures["left_out"] == 1
    assert 0 <= figures["macro"]["apgr"] <= 2 and "pass" in figures["natural"]


def test_wrong_files_are_named(router, files, tmp_path):
    data, tiers = files
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"tiers": {"s": ["small", null]}, "prices": {}}')
    finished = run_router(router, "score", "--data", data, "--tiers", str(wrong))
    assert finished.returncode == 1 and 'wrong.json:1:17: tiers."s" must be' in finished.stderr
    finished = run_router(router, "eval", "--data", "/nowhere", "--tiers", tiers)
    assert finished.returncode == 1 and "/nowhere: cannot be opened" in finished.stderr
    assert run_router(router, "score", "--data", data).returncode == 2


def test_lint_reads_the_log_of_a_gateway(router, start_gateway, fake, second_fake):
    gateway = start_gateway(config(
        model("cheap", deployment(fake.url)),
        model("strong", deployment(second_fake.url), tier="strong", price={"input": 5.0, "output": 15.0})))
    for _ in range(210):
        gateway.chat("auto:cost")
    gateway.chat("strong")
    gateway.log_lines(211)
    finished = run_router(router, "lint", "--log", str(gateway.log_path))
    assert "210 decisions of the policy, 1 requests that named their model" in finished.stdout, finished.stderr
    # The same small question every time: one of the two models is never chosen.
    assert finished.returncode == 1 and "dead_model" in finished.stdout
