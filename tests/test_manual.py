"""The manual: all packages are in its reference, its links lead somewhere, published numbers have a source.

`make docs` builds it with every warning as an error; what is here costs no build.
"""

import ast
import importlib
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [page for page in DOCS.rglob("*.md") if "generated" not in page.parts]
# a link to another host is not followed by any test: a new one is looked at by hand, and added
HOSTS = {
    *("arxiv.org", "bford.info", "docs.dask.org", "doi.org", "github.com", "paperswithcode.com"),
    *("docs.scipy.org", "matplotlib.org", "numpy.org", "scikit-learn.org"),
}
# the addresses of examples
INVENTED = {"radio.example", "127.0.0.1"}


def without_code(page):
    """Return the text of a page without its code."""
    return re.sub(r"```.*?^```|`[^`\n]+`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def reference_packages():
    """The packages of the reference, and the modules beside each."""
    tree = ast.parse((DOCS / "conf.py").read_text(encoding="utf-8"))
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "reference_packages"
    )
    return ast.literal_eval(value)


@pytest.fixture
def extension(monkeypatch):
    """A function that imports an extension of the manual by its name."""
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    return importlib.import_module


def test_the_reference_has_every_package_that_exports_names(reference_packages):
    inits = [path for path in (ROOT / "gmmaudio").glob("**/__init__.py") if "__all__" in path.read_text("utf-8")]
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in inits}
    documented = {*reference_packages, *itertools.chain.from_iterable(reference_packages.values())}
    assert packages - documented == {"gmmaudio.mixture.covariance"}  # what the fits of all types have in common
    assert set(reference_packages) <= packages


def heading_ids(page):
    """Return the ids that code hosts give to the headings of a page."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links_to_headings_lead_to_one(page):
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", without_code(page)):
        assert heading in heading_ids(page.parent / target if target else page), f"{target}#{heading}"


def test_every_page_of_the_manual_is_in_a_table_of_contents():
    tables = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text("utf-8"), re.DOTALL)
    listed = {line for table in tables for line in table.split("\n") if line and not line.startswith(":")}
    missing = {page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.glob("*.md")} - listed - {"index"}
    assert missing == set()


def test_links_to_other_hosts_go_to_known_ones():
    files = [*PAGES, ROOT / "README.md", *DOCS.glob("*/*.py"), *ROOT.glob("examples/*.py")]
    found = {host for file in files for host in re.findall(r"https?://([\w.-]+)", file.read_text(encoding="utf-8"))}
    assert found <= HOSTS | INVENTED


def test_published_numbers_have_a_source():
    page = (DOCS / "limits.md").read_text(encoding="utf-8")
    numbers = re.findall(r"^(\d+)\. ", page[page.index("## Sources") :], re.MULTILINE)
    assert numbers == [str(i + 1) for i in range(len(numbers))]
    blocks = re.findall(r"<!-- published -->(.*?)<!-- end published -->", page, re.DOTALL)
    statements = [each for block in blocks for each in re.split(r"\n- |[|;] |\. ", block) if re.search(r"\d %", each)]
    assert len(statements) >= 8
    assert [each for each in statements if not re.search(r"\[\d+\]", each)] == []
    assert set(re.findall(r"\[(\d+)\](?!\()", page)) == set(numbers)


def test_formulas_become_mathml_and_unknown_commands_are_an_error(extension):
    pytest.importorskip("docutils.utils.math.latex2mathml", reason="needs the docs extra")
    nodes = pytest.importorskip("docutils.nodes")
    mathml = extension("mathml")
    translator = SimpleNamespace(body=[])
    formula = r"p(x) = \sum_{k=1}^K w_k \mathcal{N}(x; \mu_k, \Sigma_k)"
    with pytest.raises(nodes.SkipNode):
        mathml.visit_block(translator, nodes.math_block(formula, formula))
    html = "".join(translator.body)
    assert "<munderover>" in html and "<script" not in html and 'tabindex="0"' in html
    with pytest.raises(nodes.SkipNode):
        mathml.visit_inline(translator, nodes.math("", r"2 \log n + \log(n)"))
    assert translator.body[-1].count(mathml.SPACE) == 2  # beside the first logarithm
    warned = []
    mathml.LOGGER.warning, kept = (lambda *given, **_: warned.append(given)), mathml.LOGGER.warning
    try:
        with pytest.raises(nodes.SkipNode):
            mathml.visit_inline(translator, nodes.math(r"\gibberish", r"\gibberish"))
    finally:
        mathml.LOGGER.warning = kept
    assert len(warned) == 1


def test_names_of_other_libraries_are_links_if_the_library_has_them(extension):
    pytest.importorskip("sphinx", reason="needs the docs extra")
    nodes = pytest.importorskip("docutils.nodes")
    links = extension("library_links")
    env = SimpleNamespace(get_domain=lambda _name: SimpleNamespace(objects={}))

    def resolve(name):
        node = SimpleNamespace(get={"reftarget": name, "refdomain": "py"}.get)
        return links.resolve(None, env, node, nodes.literal(name, name))

    link = resolve("numpy.linalg.eigh")
    assert link["refuri"] == "https://numpy.org/doc/stable/reference/generated/numpy.linalg.eigh.html"
    assert resolve("scipy.linalg.solve_triangular")["refuri"].startswith("https://docs.scipy.org/")
    assert resolve("numpy.linalg.eihg") is None
    # a private name stays text, one that does not exist is a warning of Sphinx
    assert isinstance(resolve("gmmaudio.text_tables.parse_table"), nodes.literal)
    assert resolve("gmmaudio.text_tables.parse_tabel") is None


def test_a_name_that_is_documented_twice_leads_to_the_package_that_writes_it(extension):
    pytest.importorskip("sphinx", reason="needs the docs extra")
    links = extension("library_links")
    objects = ["gmmaudio.fit_gmm", "gmmaudio.mixture.fit_gmm", "gmmaudio.models.merge", "gmmaudio.mixture.merge"]
    assert links.documented(objects, "fit_gmm", "gmmaudio.mixture") == "gmmaudio.mixture.fit_gmm"
    assert links.documented(objects, "fit_gmm", "gmmaudio.models") == "gmmaudio.fit_gmm"
    assert links.documented(objects, "gmmaudio.mixture.em.fit_gmm", "gmmaudio") == "gmmaudio.fit_gmm"
    assert links.documented(objects, "gmm", "gmmaudio") is None


def test_constants_of_the_reference_have_their_comment_and_their_value(extension):
    reference = extension("reference_pages")
    audio, mixture = importlib.import_module("gmmaudio.audio"), importlib.import_module("gmmaudio.mixture")
    assert "   Reason code of an AudioError -> its meaning." in reference.constant(audio, "REASONS")
    assert "   Type: ``npt.NDArray[np.float32]``" in reference.constant(audio, "Samples")
    assert any("'tied'" in line for line in reference.constant(mixture, "COVARIANCE_TYPES"))
    with pytest.raises(ValueError, match="'NOTHING'"):
        reference.definition(mixture, "NOTHING")


def test_the_player_of_an_animation_needs_no_network_and_has_words(extension):
    pytest.importorskip("docutils")
    animation = pytest.importorskip("matplotlib.animation")
    figure = pytest.importorskip("matplotlib.pyplot").figure(figsize=(1, 1))
    player = animation.FuncAnimation(figure, lambda _: [], frames=2).to_jshtml()
    changed = extension("offline_animations").without_network(player)
    assert "https://" in player
    assert not re.search(r"(src|href)\s*=\s*.https?:", changed)
    assert 'class="fa ' not in changed
    assert re.findall(r'<(?:img|input) (alt|aria-label)="[^"]+" id="_anim_(?:img|slider)', changed) == [
        "alt",
        "aria-label",
    ]
    assert changed.count("<button") == changed.count('<span aria-hidden="true">') == 9
