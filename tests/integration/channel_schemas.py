"""What each service documents of a request, strictly: a check() that fails on anything else, and what its answers are.

`Channel.sink` is YAML with {url} for the recorder's address; `answer(path, body)` is what the service says on success.
"""
import json
import re
import urllib.parse

KEY = "0123456789abcdef0123456789abcdef"
SEVERITIES = {"critical", "error", "warning", "info"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
GSM = set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
          "abcdefghijklmnopqrstuvwxyzäöñüà")
GSM_TWO = set("^{}\\[~]|€")


def units(text):
    return len(text.encode("utf-16-le")) // 2


def texts(value):
    """Every string in it, names of members too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def keys(value, required, optional=()):
    missing, unknown = set(required) - set(value), set(value) - set(required) - set(optional)
    assert not missing and not unknown, f"missing {missing}, unknown {unknown} in {sorted(value)}"


def limit(text, least, most):
    assert isinstance(text, str) and least <= units(text) <= most, f"{units(text)} units, {least} to {most} are allowed"


def slack_text(value, most):
    keys(value, ("type", "text"), ("emoji", "verbatim"))
    limit(value["text"], 1, most)
    assert value["type"] == "plain_text" or (value["type"] == "mrkdwn" and value["verbatim"] is True)
    if value["type"] == "mrkdwn":
        assert value["text"].startswith("```") and value["text"].endswith("```") and value["text"].count("`") == 6


def slack_message(body, more=()):
    keys(body, ("text", "attachments"), ("mrkdwn", "unfurl_links", "unfurl_media", *more))
    limit(body["text"], 1, 150)
    (attachment,) = body["attachments"]
    keys(attachment, ("fallback", "color", "blocks"))
    assert re.fullmatch("#[0-9A-F]{6}", attachment["color"]) and 1 <= len(attachment["blocks"]) <= 50
    for block in attachment["blocks"]:
        keys(block, ("type",), ("text", "fields"))
        assert block["type"] == "section" and ("text" in block or "fields" in block)
        if "text" in block:
            slack_text(block["text"], 3000)
        assert 1 <= len(block.get("fields", [0])) <= 10
        for field in block.get("fields", []):
            slack_text(field, 2000)
    for text in texts(body):
        assert "<" not in text and ">" not in text, f"markup: {text[:200]}"
        assert not re.search("&(?!amp;|lt;|gt;)", text), f"a bare ampersand: {text[:200]}"


def slack(path, headers, body):
    assert path == "/services/T0/B0/secret" and headers["content-type"] == "application/json"
    slack_message(json.loads(body))


def slack_api(path, headers, body):
    assert path == "/api/chat.postMessage" and headers["authorization"] == "Bearer xoxb-1"
    assert headers["content-type"] == "application/json; charset=utf-8"
    message = json.loads(body)
    slack_message(message, ("channel", "thread_ts"))
    assert message["channel"] == "C0123456789"


def discord_markdown(text):
    """Every character that could mean something has a backslash, but those of our own block of code."""
    assert not re.search(r"(?<!\\)(?:\\\\)*[*_~|>\[\]<@]", text), f"markup: {text[:200]}"


def discord(path, headers, body):
    assert path == "/api/webhooks/1/secret" and headers["content-type"] == "application/json"
    message = json.loads(body)
    keys(message, ("embeds", "allowed_mentions"))
    assert message["allowed_mentions"] == {"parse": []}
    (embed,) = message["embeds"]
    keys(embed, ("title", "description", "color", "timestamp", "fields"))
    limit(embed["title"], 1, 256)
    limit(embed["description"], 0, 4096)
    assert 0 <= embed["color"] <= 0xffffff and RFC3339.match(embed["timestamp"]) and len(embed["fields"]) <= 25
    for field in embed["fields"]:
        keys(field, ("name", "value", "inline"))
        limit(field["name"], 1, 256)
        limit(field["value"], 1, 1024)
        discord_markdown(field["name"])
        discord_markdown(field["value"])
    assert units(embed["title"] + embed["description"] + "".join(f["name"] + f["value"] for f in embed["fields"])) <= 6000
    discord_markdown(embed["title"])
    parts = re.split(r"(?<!\\)```", embed["description"])
    assert len(parts) in (1, 3), "a block of code that does not end where it should"
    discord_markdown(parts[0])


def teams(path, headers, body):
    assert path == "/workflows/secret" and headers["content-type"] == "application/json" and len(body) <= 28 * 1024
    message = json.loads(body)
    keys(message, ("type", "attachments"))
    (attachment,) = message["attachments"]
    keys(attachment, ("contentType", "contentUrl", "content"))
    card = attachment["content"]
    keys(card, ("$schema", "type", "version", "body"), ("msteams",))
    assert (message["type"], attachment["contentType"], attachment["contentUrl"], card["type"], card["version"]) == (
        "message", "application/vnd.microsoft.card.adaptive", None, "AdaptiveCard", "1.2")
    for block in card["body"]:
        keys(block, ("type", "inlines"))
        assert block["type"] == "RichTextBlock" and block["inlines"]
        for run in block["inlines"]:
            keys(run, ("type", "text"), ("weight", "size", "color", "fontType"))
            assert run["type"] == "TextRun" and run["text"]
            assert run.get("color", "Good") in {"Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"}


def pagerduty(path, headers, body):
    assert path == "/v2/enqueue" and headers["content-type"] == "application/json" and len(body) <= 512000
    event = json.loads(body)
    assert event["event_action"] in ("trigger", "acknowledge", "resolve") and event["routing_key"] == KEY
    limit(event["dedup_key"], 1, 255)
    if event["event_action"] != "trigger":
        keys(event, ("routing_key", "event_action", "dedup_key"))
        return
    keys(event, ("routing_key", "event_action", "dedup_key", "payload"), ("client", "client_url", "links", "images"))
    payload = event["payload"]
    keys(payload, ("summary", "source", "severity"), ("timestamp", "component", "group", "class", "custom_details"))
    limit(payload["summary"], 1, 1024)
    assert payload["source"] and payload["severity"] in SEVERITIES and RFC3339.match(payload["timestamp"])
    for link in event.get("links", []):
        keys(link, ("href", "text"))
        assert link["href"].startswith("https://")


def opsgenie(path, headers, body):
    assert headers["authorization"] == "GenieKey key-1" and headers["content-type"] == "application/json"
    alert = json.loads(body)
    if path != "/v2/alerts":
        assert re.fullmatch(r"/v2/alerts/[A-Za-z0-9._~%-]{1,512}/(close|acknowledge)\?identifierType=alias", path), path
        keys(alert, (), ("user", "source", "note"))
        return
    keys(alert, ("message",), ("alias", "description", "responders", "visibleTo", "actions", "tags", "details", "entity",
                               "source", "priority", "user", "note"))
    limit(alert["message"], 1, 130)
    limit(alert["alias"], 1, 512)
    limit(alert["description"], 0, 15000)
    limit(alert.get("entity", ""), 0, 512)
    assert len(alert["tags"]) <= 20 and all(1 <= units(tag) <= 50 for tag in alert["tags"])
    assert all(isinstance(value, str) for value in alert["details"].values())
    assert sum(units(name) + units(value) for name, value in alert["details"].items()) <= 8000
    assert alert["priority"] in {"P1", "P2", "P3", "P4", "P5"}


def alertmanager(path, headers, body):
    assert path == "/api/v2/alerts" and headers["content-type"] == "application/json"
    alerts = json.loads(body)
    assert isinstance(alerts, list) and alerts
    for alert in alerts:
        keys(alert, ("labels",), ("annotations", "startsAt", "endsAt", "generatorURL"))
        assert alert["labels"]["alertname"] and all(alert["labels"].values())
        assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in (*alert["labels"], *alert["annotations"]))
        assert all(isinstance(value, str) for value in (*alert["labels"].values(), *alert["annotations"].values()))
        assert RFC3339.match(alert["startsAt"]) and RFC3339.match(alert["endsAt"])
        assert alert["startsAt"][:19] <= alert["endsAt"][:19]


def telegram(path, headers, body):
    assert path == "/bot123456789:AAH_secret-secret-secret-secret-se/sendMessage"
    assert headers["content-type"] == "application/json"
    message = json.loads(body)
    keys(message, ("chat_id", "text"), ("disable_notification", "link_preview_options"))
    assert message["chat_id"] == "-100123" and message["text"].strip()
    limit(message["text"], 1, 4096)


def sms(path, headers, body):
    assert path == "/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json"
    assert headers["content-type"] == "application/x-www-form-urlencoded" and headers["authorization"].startswith("Basic ")
    form = urllib.parse.parse_qs(body.decode("ascii"), strict_parsing=True)
    assert sorted(form) == ["Body", "From", "To"] and all(len(values) == 1 for values in form.values())
    text = form["Body"][0]
    assert all(c in GSM or c in GSM_TWO for c in text), text
    assert 1 <= sum(2 if c in GSM_TWO else 1 for c in text) <= 160
    assert form["To"][0] in ("+15005550001", "+15005550002") and form["From"] == ["+15005550006"]


def webhook(path, headers, body):
    assert path == "/in" and headers["content-type"] == "application/json"
    assert re.fullmatch("v1,[A-Za-z0-9+/]{43}=", headers["webhook-signature"])
    assert "." not in headers["webhook-id"] and headers["idempotency-key"] == headers["webhook-id"]
    record = json.loads(body)
    assert RFC3339.match(record["timestamp"]) and isinstance(record, dict)


class Channel:
    def __init__(self, name, sink, check, success, busy=None, refused=(400, "no"), copies=1):
        self.name, self.sink, self.check, self.success = name, sink, check, success
        self.busy = busy  # a body that says how long to wait, or None
        self.refused, self.copies = refused, copies


CHANNELS = [
    Channel("slack", "{type: slack, url: '{url}/services/T0/B0/secret', %s}", slack, (200, "ok"),
            '{"retry_after":1,"ok":false,"error":"rate_limited"}', (403, "invalid_token")),
    Channel("slack_api", "{type: slack, token: xoxb-1, channel: C0123456789, endpoint: '{url}', %s}", slack_api,
            (200, '{"ok":true,"channel":"C0123456789","ts":"1700000000.000100"}'), None,
            (200, '{"ok":false,"error":"invalid_auth"}')),
    Channel("discord", "{type: discord, url: '{url}/api/webhooks/1/secret', %s}", discord, (204, ""),
            '{"message":"You are being rate limited.","retry_after":0.8,"global":false}'),
    Channel("teams", "{type: teams, url: '{url}/workflows/secret', %s}", teams, (202, "")),
    Channel("pagerduty", f"{{type: pagerduty, routing_key: '{KEY}', endpoint: '{{url}}', %s}}", pagerduty,
            (202, '{"status":"success","message":"Event processed","dedup_key":"x"}'), None,
            (400, '{"status":"invalid event","message":"Event object is invalid","errors":["x"]}')),
    Channel("opsgenie", "{type: opsgenie, api_key: key-1, endpoint: '{url}', %s}", opsgenie,
            (202, '{"result":"Request will be processed","took":0.1,"requestId":"x"}'), None,
            (422, '{"message":"Request body is not processable."}')),
    Channel("alertmanager", "{type: alertmanager, url: '{url}', %s}", alertmanager, (200, "")),
    Channel("telegram", "{type: telegram, token: '123456789:AAH_secret-secret-secret-secret-se', chat_id: '-100123', "
            "endpoint: '{url}', %s}", telegram, (200, '{"ok":true,"result":{"message_id":1}}'),
            '{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":1}}',
            (403, '{"ok":false,"error_code":403,"description":"Forbidden"}')),
    Channel("sms", "{type: sms, account: AC00000000000000000000000000000000, token: abc, from: '+15005550006', "
            "to: ['+15005550001', '+15005550002'], endpoint: '{url}', %s}", sms, (201, '{"sid":"SM1","status":"queued"}'),
            None, (400, '{"code":21211,"message":"no number","status":400}'), 2),
    Channel("webhook", "{type: webhook, url: '{url}/in', secret: a-secret, %s}", webhook, (200, "")),
]
