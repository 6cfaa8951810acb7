"""The URLs in the environment alone decide: none given, the embedded default; else production."""

import os

if os.environ.get("DATABASE_URL"):
    from gateway_project.settings.production import *  # noqa: F403
else:
    from gateway_project.settings.embedded import *  # noqa: F403
