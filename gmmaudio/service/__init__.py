"""A model behind HTTP: uploads in, predictions, timelines and explanations out, by worker processes that stay warm."""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.service.application import make_app, open_engine
    from gmmaudio.service.listening_server import require_service, run_service
    from gmmaudio.service.service_settings import ServiceSettings
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.service.application": "make_app open_engine",
            "gmmaudio.service.listening_server": "require_service run_service",
            "gmmaudio.service.service_settings": "ServiceSettings",
        },
    )

__all__ = ["ServiceSettings", "make_app", "open_engine", "require_service", "run_service"]
