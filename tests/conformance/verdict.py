"""What a judge says: right, or what was expected and what came instead. And how values are compared."""
import datetime
import json
import re

LEVELS = {"fatal": "critical", "err": "error", "warning": "warn", "panic": "emergency", "emerg": "emergency", "crit": "critical",
          "information": "info", "informational": "info", "verbose": "trace",
          "severe": "error", "log": "info", "i": "info", "e": "error", "w": "warn", "d": "debug", "f": "critical"}
LEVELS.update({str(i): word for i, word in enumerate(["emergency", "alert", "critical", "error", "warn", "notice", "info", "debug"])})


class Verdict:
    def __init__(self, name, wrong=None):
        self.name, self.wrong = name, wrong  # None: right


def short(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = text.replace("\n", "\\n")
    return text if len(text) <= 400 else text[:400] + "…"


def wrong(name, expected, got):
    return Verdict(name, f"expected {short(expected)}, got {short(got)}")


def nanoseconds(text):
    """Nanoseconds since 1970 of an RFC 3339 time; None if it is none. The year may be `????`: then 1970 stands for it."""
    match = re.fullmatch(r"(\d{4}|\?{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|z|[+-]\d\d:?\d\d)?", text or "")
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    leap = year == "????" and (month, day) == ("02", "29")
    try:
        moment = datetime.datetime(1972 if leap else 1970 if year == "????" else int(year), int(month), int(day), int(hour),
                                   int(minute), min(int(second), 59), tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    seconds = int(moment.timestamp()) + (int(second) == 60)
    if zone and zone not in "Zz":
        sign = -1 if zone[0] == "-" else 1
        seconds -= sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    return seconds * 10**9 + int(((fraction or "") + "000000000")[:9])


def same_time(expected, got):
    """`????` as the year of `expected`: the year of `got` is as good as any."""
    if not isinstance(got, str) or nanoseconds(got) is None:
        return False
    if expected.startswith("????"):
        return nanoseconds(expected) == nanoseconds("????" + got[4:])
    return nanoseconds(expected) == nanoseconds(got)


def near_time(expected, got):
    """As same_time(), but for what a line does not tell: its year, its zone, and digits that another reader leaves out."""
    if not isinstance(got, str) or nanoseconds(got) is None:
        return False
    if same_time(expected, got) or same_time("????" + expected[4:], got):
        return True
    digits = re.search(r"\.(\d+)", expected)
    shorter = re.sub(r"\.\d+", lambda m: m.group()[:1 + len(digits.group(1))] if digits else "", got)
    if same_time(expected, shorter) or same_time("????" + expected[4:], shorter):
        return True
    return expected[4:19] == got[4:19]


def level_word(word):
    word = str(word).lower()
    return LEVELS.get(word, word)


def flatten(value, prefix=""):
    """Nested objects as names with dots."""
    flat = {}
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            flat.update(flatten(inner, f"{prefix}{key}."))
        else:
            flat[prefix + key] = inner
    return flat


def same_value(expected, got):
    if isinstance(expected, dict) and set(expected) == {"$time"}:
        return same_time(expected["$time"], got)
    if isinstance(expected, bool) or isinstance(got, bool) or expected is None:
        return expected is got
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        return expected == got or abs(expected - got) <= 1e-9 * max(abs(expected), abs(got))
    if isinstance(expected, (int, float)) and isinstance(got, str):
        return number_text(got) == expected
    if isinstance(got, (int, float)) and isinstance(expected, str):
        return number_text(expected) == got
    return expected == got


def number_text(text):
    try:
        return float(text)
    except ValueError:
        return None
