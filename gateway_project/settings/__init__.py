"""The URLs in the environment alone decide: none given, the embedded default; else production."""

import os

# A named submodule (settings.test) decides for itself; Python runs this file before it all the same.
_CHOSEN_HERE = os.environ.get("DJANGO_SETTINGS_MODULE", __name__) == __name__

if _CHOSEN_HERE and os.environ.get("DATABASE_URL"):
    from gateway_project.settings.production import *  # noqa: F403
elif _CHOSEN_HERE:
    from gateway_project.settings.embedded import *  # noqa: F403
