"""What a schema cannot say: which things there are, and what lies in the future.

Only requests that are right in form are completed. What is wrong on purpose stays as it is."""

import os
from datetime import datetime, timedelta, timezone

import schemathesis

NAMES = {"/whatsapp/": "SESSION", "/messages/": "MESSAGE"}

# What all other calls need: the session that is connected, and the key that they come in with.
NEEDED = {os.environ["SESSION"], os.environ["KEY_ID"]}
NOBODYS = "01900000-0000-7000-8000-000000000000"


@schemathesis.hook
def before_call(context, case, kwargs):
    ends = case.method == "DELETE" or case.path.endswith(("/logout", "/disconnect"))
    if ends and (case.path_parameters or {}).get("id") in NEEDED:
        case.path_parameters["id"] = NOBODYS
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # Pages by number end at 10,000 rows: a bound on two parameters together.
    query = case.query or {}
    if isinstance(query.get("page"), int):
        query["page"] = min(query["page"], 10_000 // int(query.get("limit", 20)))
    body = case.body if isinstance(case.body, dict) else {}
    for hours, name in ((1, "sendAt"), (2, "expiresAt")):
        if isinstance(body.get(name), str):
            later = datetime.now(timezone.utc) + timedelta(hours=hours)
            body[name] = later.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # It takes its ids from earlier answers by itself.
    if case.meta.phase.name.value == "stateful":
        return
    if "sessionId" in body:
        body["sessionId"] = os.environ["SESSION"]
    for part, variable in NAMES.items():
        if part in case.path and "{id}" in case.path and not ends:
            case.path_parameters["id"] = os.environ[variable]
