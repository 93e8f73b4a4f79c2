"""The email sink with a real SMTP server: TLS, login, one transaction for each recipient, mail that mail programs read."""
import asyncio
import email.policy
import json
import logging
import ssl
import subprocess

import pytest

from alerts_in import config, letters, line, problem, raise_alert, started, wait_letters
from harness import BIN, wait_for

logging.getLogger("mail.log").disabled = True  # its warnings about itself
aiosmtpd = pytest.importorskip("aiosmtpd", reason="python3-aiosmtpd is missing; run tests/deps.sh")
from aiosmtpd.controller import Controller  # noqa: E402
from aiosmtpd.smtp import AuthResult, SMTP  # noqa: E402


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem"], check=True, capture_output=True)
    return folder


class Mailbox:
    """What the server is told. `refuse`: what it answers to an address, a code and a text, as long as it stands there."""

    def __init__(self):
        self.mails = []  # (recipients, raw bytes)
        self.refuse = {}
        self.after_data = []  # answers to messages, before they are taken
        self.logins = []
        self.sessions = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.sessions.append((session.ssl is not None, session.authenticated))
        if self.after_data:
            step = self.after_data.pop(0)
            if step == "hang":
                await asyncio.sleep(5)  # longer than the sink's timeout: this is the fault itself
            elif step == "drop":
                server.transport.abort()
            else:
                return step
        self.mails.append((list(envelope.rcpt_tos), envelope.original_content))
        return "250 OK"

    def to(self, address):
        return [raw for recipients, raw in self.mails if recipients == [address]]


class Server(Controller):
    """STARTTLS is required, and a login behind it."""

    def __init__(self, mailbox, certificate, password="correct horse", tls=True):
        self.mailbox, self.password, self.context = mailbox, password, None
        if tls:
            self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        super().__init__(mailbox, hostname="127.0.0.1", port=0)

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]  # the kernel's choice
        super()._trigger_server()

    def authenticate(self, server, session, envelope, mechanism, data):
        login = (data.login.decode(), data.password.decode())
        self.mailbox.logins.append((login, session.ssl is not None))
        good = login == ("logboom", self.password)
        return AuthResult(success=good, handled=good)

    def factory(self):
        if self.context is None:
            return SMTP(self.handler, hostname="localhost")
        return SMTP(self.handler, hostname="localhost", tls_context=self.context, require_starttls=True,
                    auth_require_tls=True, auth_required=True, authenticator=self.authenticate)


@pytest.fixture
def mail(certificate):
    mailbox = Mailbox()
    server = Server(mailbox, certificate)
    server.start()
    mailbox.server = server
    yield mailbox
    server.stop()


def sink(server, certificate, to, more=""):
    return config(f"""
  mail:
    type: email
    url: smtp://127.0.0.1:{server.port}
    user: logboom
    password: 'correct horse'
    from: Log Boom <logs@example.org>
    to: {to}
    retry: {{first: 10ms, max: 100ms}}
    tls: {{ca: {certificate}/cert.pem}}
    {more}
""", ["mail"])


def read(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_mail_goes_by_tls_and_login_and_can_be_read(logboom, mail, certificate):
    daemon = started(logboom(sink(mail.server, certificate, "[ops@example.org, 'Boss <boss@example.org>']",
                                  "headers: {X-Team: payments}")))
    raise_alert(daemon, "Failed password for Zoë\r\n.\r\nRCPT TO:<x@y>\r\nBcc: all@example.org \u202e😀", ip="ü\r\nTo: x@y")
    wait_for(lambda: len(mail.mails) == 4, 60, "firing and resolved, for both")
    assert daemon.stop() == 0, daemon.log()
    assert mail.sessions == [(True, True)] * 4 and set(mail.logins) == {(("logboom", "correct horse"), True)}
    firing, resolved = map(read, mail.to("ops@example.org"))
    assert [read(raw)["message-id"] for raw in mail.to("boss@example.org")] == [firing["message-id"],
                                                                                 resolved["message-id"]]
    for raw in mail.to("ops@example.org"):
        assert all(len(each) <= 78 for each in raw.split(b"\r\n")) and b"\n" not in raw.replace(b"\r\n", b"")
        assert max(raw) < 128
    assert firing["subject"] == "Firing: logins (critical), client_ip=ü  To: x@y"
    assert resolved["subject"].startswith("Resolved: logins")
    assert sorted(firing.keys()) == sorted([
        "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "X-Team", "Auto-Submitted",
        "MIME-Version", "Content-Type", "Content-Transfer-Encoding"])
    assert firing["from"] == "Log Boom <logs@example.org>"
    assert firing["to"] == "ops@example.org, Boss <boss@example.org>"
    assert firing["auto-submitted"] == "auto-generated" and firing["date"].datetime
    assert firing["in-reply-to"] == firing["references"] == resolved["references"]
    assert len({firing["message-id"], resolved["message-id"], firing["references"]}) == 3
    text = firing.get_content()
    assert "Failed password for Zoë  .  RCPT TO:<x@y>  Bcc: all@example.org  😀" in text
    assert "runbook: https://wiki.example.org/logins" in text and "correct horse" not in daemon.log()


def deliveries(daemon):
    """What became of all notices: result, answer, whether it took more than one try."""
    notices = json.loads(daemon.get("/api/v1/alerts/history")[1])["notices"]
    return [(each["result"], each["answer"], each["attempts"] > 1) for notice in notices for each in notice["deliveries"]]


def test_who_is_refused_stops_nobody_else(logboom, mail, certificate):
    mail.refuse = {"gone@example.org": "550 5.1.1 no such user", "full@example.org": "452 4.2.2 mailbox full"}
    daemon = started(logboom(sink(mail.server, certificate, "[gone@example.org, full@example.org, ops@example.org]")))
    raise_alert(daemon)
    wait_for(lambda: len(mail.to("ops@example.org")) == 2, 60, "the one who is not refused")
    (first, second) = wait_letters(daemon, "mail", 2)
    assert (first["record"]["state"], second["record"]["state"]) == ("firing", "resolved")
    assert "550 5.1.1 no such user" in first["reason"]
    wait_for(lambda: "452 4.2.2 mailbox full" in problem(daemon, "mail"), 30, "the full mailbox in health")
    mail.refuse.pop("full@example.org")
    wait_for(lambda: len(mail.to("full@example.org")) == 2, 60, "the mailbox that was full")
    assert [read(raw)["subject"].split(":")[0] for raw in mail.to("full@example.org")] == ["Firing", "Resolved"]
    outcomes = wait_for(lambda: (found := deliveries(daemon)) and len(found) == 6 and found, 30, "what became of each")
    assert [outcome[:2] for outcome in sorted(outcomes)[:4]] == [("delivered", "SMTP 250 recipient 2")] * 2 + [
        ("delivered", "SMTP 250 recipient 3")] * 2
    assert ("delivered", "SMTP 250 recipient 2", True) in outcomes, "it was tried again"
    assert all(result == "refused" and "550 5.1.1 no such user" in answer for result, answer, _ in sorted(outcomes)[4:])
    assert daemon.stop() == 0 and len(letters(daemon, "mail")) == 2


def test_a_message_is_refused_for_good_or_for_now(logboom, mail, certificate):
    mail.after_data = ["451 4.3.0 try later", "421 4.3.2 shutting down", "554 5.7.1 looks like spam"]
    daemon = started(logboom(sink(mail.server, certificate, "ops@example.org")))
    raise_alert(daemon)
    (letter,) = wait_letters(daemon, "mail", 1)
    assert "554 5.7.1 looks like spam" in letter["reason"] and letter["record"]["state"] == "firing"
    wait_for(lambda: len(mail.mails) == 1, 60, "the end")
    assert read(mail.mails[0][1])["subject"].startswith("Resolved") and len(mail.sessions) == 4
    assert daemon.stop() == 0


def test_a_server_that_hangs_or_goes_is_tried_again(logboom, mail, certificate):
    mail.after_data = ["hang", "drop"]
    daemon = started(logboom(sink(mail.server, certificate, "ops@example.org", "timeout: 3s")))
    with open(daemon.dir / "app.log", "a") as log:
        for _ in range(3):
            log.write(line("Failed password " + "x漢\x00<" * 60000, client_ip="10.0.0.1"))
    wait_for(lambda: any("Resolved" in read(raw)["subject"] for _, raw in mail.mails), 60, "the end")
    assert daemon.stop() == 0 and not letters(daemon, "mail")
    # What was taken though the answer came too late is the same mail again: by its Message-ID.
    firing = [read(raw) for _, raw in mail.mails if "Firing" in read(raw)["subject"]]
    assert firing and len({each["message-id"] for each in firing}) == 1
    assert all(len(raw) < 20000 for _, raw in mail.mails)


def test_a_wrong_password_is_no_reason_to_throw_alerts_away(logboom, mail, certificate):
    mail.server.password = "another"
    daemon = started(logboom(sink(mail.server, certificate, "ops@example.org")))
    raise_alert(daemon)
    wait_for(lambda: "535" in problem(daemon, "mail"), 60, "the refused login in health")
    mail.server.password = "correct horse"
    wait_for(lambda: len(mail.mails) == 2, 60, "firing and resolved")
    assert daemon.stop() == 0 and not letters(daemon, "mail")


def test_nothing_is_said_without_tls(logboom, certificate):
    mailbox = Mailbox()
    plain = Server(mailbox, certificate, tls=False)
    plain.start()
    try:
        text = sink(plain, certificate, "ops@example.org")
        daemon = started(logboom(text))
        raise_alert(daemon)
        wait_for(lambda: "does not offer STARTTLS" in problem(daemon, "mail"), 60, "the missing STARTTLS in health")
        assert not mailbox.mails and not mailbox.logins
        daemon.kill()
        # The same server is good enough where somebody said so, without a password.
        text = text.replace("user: logboom", "starttls: false").replace("    password: 'correct horse'\n", "")
        daemon.write_config(text)
        daemon.start()
        wait_for(lambda: len(mailbox.mails) >= 1, 60, "the mail")
        assert daemon.stop() == 0
    finally:
        plain.stop()


def test_an_unknown_certificate_is_refused(logboom, mail, certificate):
    daemon = started(logboom(sink(mail.server, certificate, "ops@example.org").replace("tls: {ca", "# {ca")))
    raise_alert(daemon)
    wait_for(lambda: "certificate" in problem(daemon, "mail").lower(), 60, "the certificate in health")
    assert not mail.mails and not mail.logins
    daemon.kill()


def test_check_says_what_is_wrong(logboom):
    daemon = logboom(config("""
  a: {type: email, url: 'smtp://h', user: u, password: hunter2, starttls: false, from: a@b, to: [a@b]}
  b: {type: email, url: 'smtp://u:hunter2@h', from: nobody, to: ["a@b\\r\\nRCPT TO:<c@d>"], headers: {subject: x}}
  c: {type: email, url: 'https://h', password: hunter2, from: a@b, to: [a@b]}
""", ["a", "b", "c"]))
    check = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
    for words in ("password would be sent in the clear", "write user and password as options", "from: expected an address",
                  "to: expected 1 to 50 addresses", "headers.Subject: logboom writes this header itself",
                  "expected an smtp:// or smtps:// address", "password: user is missing"):
        assert words in check.stderr, check.stderr
    assert check.returncode == 1 and "hunter2" not in check.stderr


def test_the_command_that_tests_a_channel_tests_mail(logboom, mail, certificate):
    daemon = logboom(sink(mail.server, certificate, "ops@example.org"))
    run = subprocess.run([BIN, "channels", "test", "-c", str(daemon.config), "mail"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert [read(raw)["subject"] for _, raw in mail.mails] == ["Firing: channel_test (info)", "Resolved: channel_test"]
