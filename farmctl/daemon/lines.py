"""The daemon's log: one JSON object a line, one line per change of state.

Through the standard library's logging, so that whoever embeds the daemon can send it
elsewhere. `tell` is the one way in; every line has farm, event and because where there
are such.
"""

import json
import logging
import time
from typing import TextIO

LOG = logging.getLogger("farmctl.daemon")


def tell(level: int, event: str, *, because: str = "", **values: object) -> None:
    """Write one line of the log."""
    said = {key: value for key, value in values.items() if value not in ("", None)}
    LOG.log(level, event, extra={"because": because, "values": said})


def log_as_json(stream: TextIO, *, level: int = logging.INFO) -> None:
    """Send the log to a stream, one JSON object a line."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(AsJson())
    LOG.handlers[:] = [handler]
    LOG.setLevel(level)
    LOG.propagate = False


class AsJson(logging.Formatter):
    """A record as one line of JSON; time in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        because = getattr(record, "because", "")
        if because:
            line["because"] = because
        values = getattr(record, "values", None)
        if isinstance(values, dict):
            line |= values
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)
