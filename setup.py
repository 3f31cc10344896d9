"""What the wheel holds beside the packages, so that `fer predict` and `fer live` work without a
checkout: the ready network, the face detector and the built page. All else is in pyproject.toml.
"""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class WithWhatItNeeds(build_py):
    """Copies them into `fer_core/predict/shipped`; what is not there is left out, and said."""

    def run(self) -> None:
        """Copy the packages, then the rest."""
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)  # modules of an earlier build
        super().run()
        sys.path.insert(0, str(ROOT))
        from fer_core.predict.fetching import SHIPPED, detector_file
        from fer_core.predict.ready import ready_model

        into = Path(self.build_lib) / "fer_core" / "predict" / SHIPPED
        network = ready_model()
        beside = ("LICENCE.md", "MODEL_CARD.md", "provenance.json")
        for file in [network, *(network.parent / name for name in beside), detector_file()]:
            if file.is_file():
                into.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, into / file.name)
            else:
                self.warn(f"{file.name} is not there: the wheel will lack it")
        page = ROOT / "web" / "dist"
        if (page / "index.html").is_file():
            shutil.copytree(page, into / "page", ignore=shutil.ignore_patterns("single"))
        else:
            self.warn("the page is not built (`make setup`): the wheel will lack it")


setup(cmdclass={"build_py": WithWhatItNeeds})
