"""`torchlean bugzoo`: what it lists, runs and writes, and that it notices a card whose
check cannot tell the programs apart."""

import dataclasses
import html.parser
import json

import pytest

from torchlean_jax import bugzoo
from torchlean_jax.bugzoo import Finding, _collection
from torchlean_jax.cli import main

LIMIT, STEP = 10, 1  # what both programs compare with


def faulty(x):
    return x <= LIMIT


def fixed(x):
    # "<" for the reader's eyes
    return x < LIMIT


def examine(program):
    if program(LIMIT):
        return Finding(False, "<10 & 10 is admitted>", (("x", "said"), ("10", "yes")))
    return Finding(True, "10 is not admitted")


def blind(program):
    return Finding(True, f"nothing seen at {program(3)}")


def stopped(program):
    raise ValueError("no such axis")


CARD = bugzoo.Card(
    name="fence-post",
    title="A fence post",
    family="planted",
    story="`<=` for `<`: one post too many.",
    contract="Ten is not below ten.",
    check="counting",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("some/where#1",),
)
BLIND = dataclasses.replace(CARD, name="blind", examine=blind)
STOPPED = dataclasses.replace(CARD, name="stopped", examine=stopped)
ABSENT = dataclasses.replace(CARD, name="absent", requires=("no_such_package",))


@pytest.fixture
def plant(monkeypatch):
    def plant(*cards):
        monkeypatch.setattr(_collection, "cards", lambda: cards)
        monkeypatch.setattr(bugzoo, "cards", lambda: cards)

    return plant


@pytest.mark.parametrize("words", [[], ["list"]])
def test_the_list_names_every_card(words, capsys):
    assert main(["bugzoo", *words]) == 0
    said = capsys.readouterr().out
    assert all(card.name in said and card.title in said for card in bugzoo.cards())


def test_show_lists_both_programs_and_what_they_use(plant, capsys):
    plant(CARD)
    assert main(["bugzoo", "show", "fence-post"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "-     return x <= LIMIT" in lines and "+     return x < LIMIT" in lines
    assert any(line.startswith("  LIMIT, STEP = 10, 1") for line in lines)
    assert "reports   some/where#1" in lines
    assert lines.count("  def examine(program):") == 1 and "CARD" not in " ".join(lines)
    assert (
        sum("LIMIT, STEP = 10" in line for line in lines) == 2
    )  # also what examine uses


def test_a_run_prints_the_witness_and_writes_json(plant, tmp_path, capsys):
    plant(CARD)
    path = tmp_path / "zoo.json"
    assert main(["bugzoo", "run", "fence-post", "--json", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("ok") and "<10 & 10 is admitted>" in said
    (card,) = json.loads(path.read_text())["cards"]
    assert card["status"] == "ok" and not card["faulty"]["passed"]
    assert card["fixed"] == {
        "passed": True,
        "witness": "10 is not admitted",
        "table": [],
    }


@pytest.mark.parametrize(
    ("card", "code", "line"),
    [
        (CARD, 0, "ok      fence-post"),
        (BLIND, 1, "FAILED  blind"),
        (STOPPED, 1, "FAILED  stopped: the check stopped: ValueError: no such axis"),
        (ABSENT, 3, "not run absent: needs no_such_package"),
    ],
    ids=lambda case: getattr(case, "name", None),
)
def test_what_came_of_a_card_is_said_and_is_the_exit_code(
    card, code, line, plant, capsys, tmp_path
):
    plant(card)
    page = tmp_path / "zoo.html"
    for command in (["run", card.name], ["run", "--all"], ["page", str(page)]):
        assert main(["bugzoo", *command]) == code
        assert capsys.readouterr().out.startswith(line)
    assert card.title in page.read_text()


def test_a_failure_weighs_more_than_a_card_that_was_not_run(plant, capsys):
    plant(ABSENT, CARD, BLIND)
    assert main(["bugzoo", "run", "--all"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("3 cards: 1 ok, 1 failed, 1 not run")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run"], "--all"),
        (["run", "fence-post", "--all"], "--all"),
        (["run", "fence-pots"], "fence-post"),
        (["show"], "NAME"),
        (["page", "no/such/folder/zoo.html"], "no folder"),
        (["walk"], "invalid choice"),
    ],
)
def test_bad_usage(words, says, plant, capsys):
    plant(CARD)
    assert main(["bugzoo", *words]) == 2
    said = capsys.readouterr()
    assert says in said.err and said.err.count("\n") == 1 and said.out == ""


class Reader(html.parser.HTMLParser):
    """Whether tags are balanced, what is fetched, and the text by kind of span."""

    void = frozenset(["meta"])
    # what may be left open, and is not: the page closes every element
    fetching = frozenset(
        ["link", "script", "img", "iframe", "object", "embed", "source"]
    )

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.links, self.text = [], [], [], {}

    def handle_starttag(self, tag, attrs):
        if tag in self.fetching:
            self.fetched.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag not in self.void:
            self.open.append((tag, dict(attrs).get("class", "")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        inside = " ".join(f"{tag} {kind}" for tag, kind in self.open)
        for kind in ("differs", "faulty", "fixed", "pre", "td", "style"):
            if kind in inside.split():
                self.text[kind] = self.text.get(kind, "") + data


def test_the_page_is_whole_and_fetches_nothing(plant, tmp_path):
    plant(CARD, ABSENT)
    path = tmp_path / "zoo.html"
    main(["bugzoo", "page", str(path)])
    reader = Reader()
    reader.feed(path.read_text())
    assert reader.open == [] and reader.fetched == []
    assert "https://github.com/some/where/issues/1" in reader.links
    assert "url(" not in reader.text["style"] and "@import" not in reader.text["style"]
    assert "<10 & 10 is admitted>" in reader.text["pre"]
    assert reader.text["td"] == "10yes"
    assert "return x <= LIMIT" in reader.text["differs"]
    assert "LIMIT, STEP = 10" not in reader.text["differs"]
    assert "def faulty" not in reader.text["differs"]
    assert '# "<" for the reader\'s eyes' in reader.text["fixed"]
    assert [p.name for p in tmp_path.iterdir()] == ["zoo.html"]
