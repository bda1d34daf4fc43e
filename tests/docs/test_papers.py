"""The papers say what is so: variables, dependencies, links, tests, steps."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from jobs import api, conf, errors
from tests.docs.pages import BASE, PAGES, blocks, code, rows, section

README = BASE / "README.md"
ENGINE = BASE / "jobs/README.md"
PORTING = BASE / "docs/porting-from-inngest.md"
TESTS = BASE / "tests/jobs"


def test_the_readme_lists_the_variables_of_env_example_in_their_order():
    example = re.findall(r"^# ([A-Z0-9_]+)=", (BASE / ".env.example").read_text(), re.M)
    assert [code(row[0]) for row in rows(section(README, "The environment"))] == example


def test_a_default_that_the_readme_shows_is_the_one_of_env_example():
    example = dict(re.findall(r"^# ([A-Z0-9_]+)=(.*)$", (BASE / ".env.example").read_text(), re.M))
    shown = {code(r[0]): r[1] for r in rows(section(README, "The environment"))}
    plain = {name: code(cell) for name, cell in shown.items() if cell == f"`{code(cell)}`"}
    plain.pop("S3_ORIGIN")  # a pattern, not a value
    assert plain == {name: example[name] for name in plain}
    assert {"PORT", "JOBS_LEASE", "GENERATION_TIMEOUT"} <= set(plain)


FILES = ["requirements", "requirements-studio", "requirements-dev"]  # as README tells of them


def required(text: str) -> dict[str, str]:
    """The versions of the packages that a file of requirements names."""
    found = re.findall(r"^([\w-]+)(?:\[\w+\])?==([\w.]+)", text, re.M)
    return {name.lower(): version for name, version in found}


@pytest.mark.parametrize("name", FILES)
def test_each_dependency_has_its_line(name: str):
    text = section(README, "Why each dependency is there")
    tables = re.split("What the local studio|To work on it", text)
    table = rows(tables[FILES.index(name)])
    assert {code(row[0]) for row in table} == set(required((BASE / f"{name}.in").read_text()))
    assert all(row[1] for row in table)


@pytest.mark.parametrize("name", FILES)
def test_what_is_installed_is_locked_with_its_hashes(name: str):
    asked = required((BASE / f"{name}.in").read_text())
    locked = (BASE / f"{name}.txt").read_text()
    assert asked.items() <= required(locked).items()
    assert required(locked).keys() >= {"django", "django-q2"} or name == "requirements-studio"
    for package in re.split(r"\n(?=[\w-]+(?:\[\w+\])?==)", locked)[1:]:
        assert "--hash=sha256:" in package


@pytest.mark.parametrize("name", FILES[1:])
def test_the_same_package_has_the_same_version_everywhere(name: str):
    site = required((BASE / "requirements.txt").read_text())
    other = required((BASE / f"{name}.txt").read_text())
    assert {package: other[package] for package in site.keys() & other.keys()} == {
        package: site[package] for package in site.keys() & other.keys()
    }


def test_a_production_installs_nothing_of_the_studios():
    site = required((BASE / "requirements.txt").read_text())
    assert not {"numpy", "scipy", "soundfile", "pillow", "pyloudnorm", "watchfiles"} & site.keys()


def test_the_readme_names_the_two_commands_and_ci_runs_the_test_command():
    assert blocks(README, "sh") == ["make run\n", "make test\n"]
    assert "make test || alone" in (BASE / ".ci/run").read_text().splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BASE)))
def test_a_link_leads_to_a_file_or_a_heading(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """A page's headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


NOT_OURS = {"shop"}  # an example's app


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BASE)))
def test_a_file_that_is_named_exists(page: Path):
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|sh|html))`", page.read_text()))
    roots = [BASE, BASE / "jobs", TESTS, page.parent]
    ours = sorted(name for name in named if name.split("/")[0] not in NOT_OURS)
    assert [name for name in ours if not any((root / name).exists() for root in roots)] == []


def test_a_constant_that_is_named_is_in_the_code():
    sources = [*BASE.glob("[!.]*/**/*.py"), *BASE.glob("*.py"), BASE / ".env.example"]
    words = {word for path in sources for word in re.findall(r"\w+", path.read_text())}
    pages = "".join(page.read_text() for page in PAGES if page.name != "CHANGELOG.md")
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", pages))
    assert {"STEP_TIMEOUT", "SONGS_AT_ONCE"} <= named
    assert sorted(named - words) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BASE)))
def test_an_empty_line_stands_before_a_heading(page: Path):
    assert re.findall(r"[^\n]\n(#{2,} .+)", page.read_text()) == []


def test_each_law_names_tests_that_exist_and_each_test_of_one_law_is_named():
    laws = rows(section(ENGINE, "The laws"))
    assert [row[0] for row in laws] == [str(number) for number in range(1, 13)]
    for row in laws:
        files = re.findall(r"`([\w/]*test_\w+\.py)`", row[2])
        assert [f for f in files if not (TESTS / f).is_file()] == []
        own = TESTS.rglob(f"test_law_{int(row[0]):02}_*.py")
        own_names = {str(path.relative_to(TESTS)) for path in own}
        assert own_names, row[1]
        assert own_names <= set(files)


def test_a_test_s_name_has_the_number_of_a_law():
    numbers = {path.name[9:11] for path in TESTS.rglob("test_law_*.py")}
    assert numbers == {f"{number:02}" for number in range(1, 13)}


def test_each_folder_of_the_engine_s_tests_is_a_wing_or_the_laws():
    wings = {path.name for path in (BASE / "jobs").iterdir() if path.is_dir()}
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders - {"laws"} <= wings


def test_the_engine_s_settings_are_all_there_with_their_defaults():
    source = (BASE / "jobs/conf.py").read_text()
    read = set(re.findall(r'_(?:setting|number|whole|yes_or_no)\("(\w+)"', source))
    table = {code(row[0]): code(row[1]) or row[1] for row in rows(section(ENGINE, "Settings"))}
    assert set(table) == read
    for name, shown in table.items():
        assert ast.literal_eval(shown) == getattr(conf, name, ast.literal_eval(shown))


def test_every_name_of_the_door_stands_on_the_engine_s_page_or_the_porting_page():
    text = ENGINE.read_text() + PORTING.read_text()
    assert [name for name in api.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_each_error_that_the_engine_s_page_names_can_be_imported_from_the_door():
    told = rows(section(ENGINE, "What can go wrong, and its name"))
    found = [name for row in told for name in re.findall(r"`(\w+)`", row[0])]
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    own = {kind.__name__ for kind in kinds if issubclass(kind, errors.JobsError)}
    names = [name for name in found if name in own]
    assert {"UnknownFunction", "InvalidExpression", "InvalidOutput"} <= set(names)
    assert [name for name in names if name not in api.__all__] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BASE)))
def test_a_python_block_is_python(page: Path):
    for block in blocks(page, "python"):
        ast.parse(block)


def test_the_porting_page_names_the_song_s_steps_in_their_order():
    source = (BASE / "songs/functions.py").read_text()
    function = source[source.index("def generate_song(") :].split("\n\n\n")[0]
    steps = re.findall(r'ctx\.step\.\w+\(\s*"([\w-]+)"', function)
    [ours] = [block for block in blocks(PORTING, "python") if "def generate_song(" in block]
    plain = re.sub(r" +# \d+$", "", ours, flags=re.M)
    assert re.findall(r'ctx\.step\.\w+\(\s*"([\w-]+)"', plain) == steps


def test_the_plan_of_the_engine_has_each_wing_with_its_caption():
    wings = {path.parent for path in (BASE / "jobs").glob("*/__init__.py")}
    wings -= {BASE / "jobs" / name for name in ("management", "migrations", "templatetags")}
    captions = {
        f"{wing.name}/": (ast.get_docstring(ast.parse((wing / "__init__.py").read_text())) or "")
        for wing in wings
    }
    table = rows(section(ENGINE, "The plan of the engine"))
    told = {code(row[0].split("]")[0].strip("[")): row[1] for row in table}
    assert told == {name: text.splitlines()[0] for name, text in captions.items()}
