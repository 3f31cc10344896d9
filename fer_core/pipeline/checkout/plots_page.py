"""The page that `dvc plots` fills, with Vega inside: DVC's own loads it from the network.

    python -m fer_core.pipeline.checkout.plots_page

`make setup` writes it to `.dvc/tmp/plots.html`, which `.dvc/config` names. The scripts are those of
vl-convert, which draws the report's charts too.
"""

from pathlib import Path

import vl_convert

from fer_core.base.files import write_text

__all__ = ["PLOTS_PAGE", "plots_page"]

PLOTS_PAGE = Path(".dvc/tmp/plots.html")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
<style>body {{ font-family: sans-serif }} table {{ border-spacing: 15px }}</style>
<script>
(() => {{ {script} }})();
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def plots_page() -> str:
    """The text of the page; it loads nothing."""
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return _PAGE.format(
        refresh_tag="{refresh_tag}",
        script=script.replace("</script", "<\\/script"),
        plot_divs="{plot_divs}",
    )


if __name__ == "__main__":
    write_text(PLOTS_PAGE, plots_page())
