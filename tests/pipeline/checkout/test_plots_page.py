"""`dvc plots` opens without a network."""

import configparser
import re
from pathlib import Path

import make
from fer_core.pipeline.checkout.plots_page import PLOTS_PAGE, plots_page

ROOT = Path(__file__).parents[3]


def test_the_page_holds_its_scripts_and_the_places_that_dvc_fills() -> None:
    page = plots_page()
    assert page.count("{plot_divs}") == page.count("{refresh_tag}") == 1
    assert "{scripts}" not in page  # DVC would put its network addresses there
    assert not re.findall(r"<(?:script|link)[^>]*(?:src|href)", page)
    assert page.count("</script>") == 1 and "window.vegaEmbed=" in page.replace(" ", "")


def test_dvc_is_told_of_the_page_that_setup_writes() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc/config")
    assert Path(".dvc") / config["plots"]["html_template"] == PLOTS_PAGE
    assert make.PLOTS == ROOT / PLOTS_PAGE
