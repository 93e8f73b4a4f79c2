/*
 * sink_email.c - tells people by mail, through a mail server (SMTP).
 *
 * Each recipient is a transaction of its own, in a lane of the queue: one who
 * is refused, or whose box is full, holds up nobody else. The tricky thing is
 * what a failure is about: a code in answer to a recipient or a message is
 * final (5yz) or its own affair (4yz); anything before that (greeting, TLS,
 * password) is the server's, and everything waits until it is mended.
 */
#include "channel.h"

#include "mail_text.h"

#include "lb_alloc.h"
#include "lb_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    RECIPIENTS_MAX = 50,
    SUBJECT_UNITS = 200,
    VALUE_UNITS = 64,
    REPLY_BYTES = 120,
    ADDRESS_LINE_BYTES = 300,
    USER_BYTES_MAX = 512
};

struct sink_email {
    struct channel channel;
    struct lb_str user;
    struct lb_str password;
    struct lb_str from;
    struct lb_strs to;
    bool starttls;
    int64_t give_up_ns;

    struct curl_slist *recipients[RECIPIENTS_MAX]; /* one each */
    const struct http_request *upload;             /* the message that is being sent, */
    size_t uploaded;                               /* and how much of it libcurl has */
    char reply[REPLY_BYTES];                       /* the server's last refusal, printable */
};

CHANNEL_GROUPS;

#define AT(member) offsetof(struct sink_email, member)

static const struct lb_option options[] = {
    CHANNEL_URL("the mail server: smtp://host:587 (with STARTTLS) or smtps://host:465"),
    { .name = "user", .kind = LB_OPTION_STRING, .offset = AT(user), .help = "to log in there; never without TLS" },
    { .name = "password",
      .kind = LB_OPTION_STRING,
      .offset = AT(password),
      .flags = LB_OPTION_SECRET,
      .help = "the user's" },
    { .name = "from",
      .kind = LB_OPTION_STRING,
      .offset = AT(from),
      .flags = LB_OPTION_REQUIRED,
      .help = "the sender, such as logboom@example.org or 'Logs <logs@example.org>'" },
    { .name = "to",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(to),
      .flags = LB_OPTION_REQUIRED,
      .help = "addresses; each is tried by itself" },
    { .name = "starttls",
      .kind = LB_OPTION_BOOL,
      .offset = AT(starttls),
      .fallback = "true",
      .help =
          "whether smtp:// must become TLS before anything is sent; false only for a server on a network you trust" },
    { .name = "give_up",
      .kind = LB_OPTION_DURATION,
      .offset = AT(give_up_ns),
      .fallback = "1d",
      .min = LB_SECOND,
      .max = INT64_C(30) * 86400 * LB_SECOND,
      .help = "how long a recipient whom the server refuses for now (4yz) is tried" },
    CHANNEL_OPTIONS,
    { 0 },
};

static uint32_t recipients(const struct lb_sink *sink)
{
    return (uint32_t)((const struct sink_email *)sink->state)->to.count;
}

/* --- the message ------------------------------------------------------------------ */

/* "Firing: error_rate (P1), service=payments" */
static void put_subject(struct sink_email *self, const struct channel_message *message, struct lb_buffer *out)
{
    struct lb_buffer *words = &self->channel.words;

    lb_buffer_reset(words);
    channel_clean(words, lb_buffer_str(&self->channel.title), SUBJECT_UNITS, CHANNEL_LINE);
    for (uint32_t i = 0; i < message->key_count && words->len < SUBJECT_UNITS; i++) {
        lb_buffer_append_str(words, LB_STR(", "));
        channel_clean(words, message->keys[i].name, VALUE_UNITS, CHANNEL_LINE);
        lb_buffer_append_char(words, '=');
        channel_clean(words, message->keys[i].value, VALUE_UNITS, CHANNEL_LINE);
    }
    CHANNEL_PUT(out, "Subject: ");
    mail_header_text(out, lb_buffer_str(words));
    CHANNEL_PUT(out, "\r\n");
    out->failed = out->failed || words->failed;
}

/* The first message of an alert is not the thread's root: it may not have arrived. All refer to one that never was. */
static void put_identity(struct sink_email *self, const struct channel_message *message, struct lb_buffer *out)
{
    struct lb_str domain = mail_domain(mail_address(self->from));

    lb_buffer_print(out, "Message-ID: <%s@" LB_STR_FMT ">\r\n", message->id, LB_STR_ARG(domain));
    if (message->alert_id.len == 0)
        return;
    struct lb_buffer *words = &self->channel.words;
    lb_buffer_reset(words);
    channel_percent(words, channel_front(message->alert_id, VALUE_UNITS));
    lb_buffer_print(out, "In-Reply-To: <alert.%.*s@" LB_STR_FMT ">\r\n", (int)words->len, words->ptr,
                    LB_STR_ARG(domain));
    lb_buffer_print(out, "References: <alert.%.*s@" LB_STR_FMT ">\r\n", (int)words->len, words->ptr,
                    LB_STR_ARG(domain));
    out->failed = out->failed || words->failed;
}

static void put_addresses(const struct sink_email *self, struct lb_buffer *out)
{
    lb_buffer_print(out, "From: " LB_STR_FMT "\r\nTo: ", LB_STR_ARG(self->from));
    for (size_t i = 0; i < self->to.count; i++) {
        if (i > 0)
            CHANNEL_PUT(out, ",\r\n ");
        lb_buffer_append_str(out, self->to.items[i]);
    }
    CHANNEL_PUT(out, "\r\n");
}

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_email *self = sink->state;
    const struct lb_pairs *others = &self->channel.http.headers;
    struct lb_buffer *words = &self->channel.words;
    struct lb_buffer *out = post->body;

    (void)recipient;
    put_addresses(self, out);
    put_subject(self, message, out);
    CHANNEL_PUT(out, "Date: ");
    mail_date(out, lb_clock_now());
    CHANNEL_PUT(out, "\r\n");
    put_identity(self, message, out);
    for (size_t i = 0; i < others->count; i++)
        lb_buffer_print(out, LB_STR_FMT ": " LB_STR_FMT "\r\n", LB_STR_ARG(others->items[i].name),
                        LB_STR_ARG(others->items[i].value));
    CHANNEL_PUT(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    lb_buffer_reset(words);
    channel_words(words, message, lb_buffer_str(&self->channel.title));
    mail_quoted_printable(out, lb_buffer_str(words));
}

/* --- SMTP by libcurl ---------------------------------------------------------------- */

static size_t on_upload(char *out, size_t size, size_t count, void *context)
{
    struct sink_email *self = context;
    const struct lb_buffer *body = &self->upload->body;
    size_t len = size * count < body->len - self->uploaded ? size * count : body->len - self->uploaded;

    memcpy(out, body->ptr + self->uploaded, len);
    self->uploaded += len;
    return len;
}

/* Every line that the server says comes here. Refusals are kept: behind one comes the answer to QUIT. */
static size_t on_reply(char *bytes, size_t size, size_t count, void *context)
{
    struct sink_email *self = context;
    size_t len = size * count < sizeof(self->reply) - 1 ? size * count : sizeof(self->reply) - 1;

    if (len == 0 || (*bytes != '4' && *bytes != '5'))
        return size * count;
    while (len > 0 && (unsigned char)bytes[len - 1] <= ' ')
        len--;
    for (size_t i = 0; i < len; i++)
        self->reply[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : ' ';
    self->reply[len] = '\0';
    return size * count;
}

static void dress(struct lb_sink *sink, CURL *easy)
{
    struct sink_email *self = sink->state;

    curl_easy_setopt(easy, CURLOPT_USE_SSL, self->starttls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
    if (self->user.len > 0) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, self->user.ptr);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, self->password.len > 0 ? self->password.ptr : "");
    }
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(easy, CURLOPT_READDATA, self);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_reply);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, self);
}

static bool start(struct lb_sink *sink, const struct http_request *request, CURL *easy)
{
    struct sink_email *self = sink->state;
    struct lb_str address = mail_address(self->from);
    char sender[ADDRESS_LINE_BYTES];

    self->upload = request;
    self->uploaded = 0;
    self->reply[0] = '\0';
    snprintf(sender, sizeof(sender), "<" LB_STR_FMT ">", LB_STR_ARG(address));
    return curl_easy_setopt(easy, CURLOPT_MAIL_FROM, sender) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, self->recipients[request->kind]) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body.len) == CURLE_OK;
}

/* A code of the server about this message or its recipient. Those about who we are count as the server's. */
static bool is_about_message(const struct sink_email *self, const struct http_request *request, CURLcode code,
                             long status)
{
    enum { CLOSING = 421, UNKNOWN_USER_FIRST = 530, UNKNOWN_USER_LAST = 538 };
    bool answered = self->uploaded == request->body.len && code == CURLE_WEIRD_SERVER_REPLY;

    if (status < 400 || status == CLOSING || (status >= UNKNOWN_USER_FIRST && status <= UNKNOWN_USER_LAST))
        return false;
    return answered || code == CURLE_SEND_ERROR;
}

static void describe(const struct sink_email *self, CURLcode code, struct http_verdict *verdict)
{
    if (code == CURLE_USE_SSL_FAILED)
        snprintf(
            verdict->reason, sizeof(verdict->reason),
            "the mail server does not offer STARTTLS: try smtps://, or starttls: false if you trust the way there");
    else if (self->reply[0] != '\0')
        snprintf(verdict->reason, sizeof(verdict->reason), "the mail server answered %s", self->reply);
    else
        snprintf(verdict->reason, sizeof(verdict->reason), "%s", curl_easy_strerror(code));
}

static void judge(struct lb_sink *sink, const struct http_request *request, CURLcode code, struct http_verdict *verdict)
{
    const struct sink_email *self = sink->state;

    verdict->action = code == CURLE_OK ? HTTP_ACCEPT : HTTP_RETRY;
    if (code == CURLE_OK)
        return;
    verdict->status = strtol(self->reply, NULL, 10);
    describe(self, code, verdict);
    if (!is_about_message(self, request, code, verdict->status))
        return;
    verdict->alone = true;
    if (verdict->status >= 500 || lb_clock_monotonic() - request->queued_at >= self->give_up_ns)
        verdict->action = HTTP_REFUSE;
}

static const struct http_protocol smtp = { .names = "smtp,smtps", .dress = dress, .start = start, .judge = judge };

static const struct channel_type service = { .address_option = "url",
                                             .schemes = { "smtp", "smtps" },
                                             .recipients = recipients,
                                             .lanes = true,
                                             .compose = compose,
                                             .protocol = &smtp };

/* --- check, open, close ----------------------------------------------------------------- */

static bool check_addresses(struct lb_sink *sink, struct lb_diag *diag)
{
    const struct sink_email *self = sink->state;
    bool good = self->to.count > 0 && self->to.count <= RECIPIENTS_MAX;
    uint32_t errors = diag->errors;

    for (size_t i = 0; good && i < self->to.count; i++)
        good = mail_address(self->to.items[i]).len > 0;
    if (!good)
        lb_diag_error(
            diag, lb_section_place(&sink->section, "to"),
            "to: expected 1 to %d addresses such as ops@example.org, or 'On Call <ops@example.org>' (letters, "
            "digits and blanks in the name)",
            RECIPIENTS_MAX);
    if (mail_address(self->from).len == 0)
        lb_diag_error(diag, lb_section_place(&sink->section, "from"),
                      "from: expected an address such as logs@example.org, or 'Logs <logs@example.org>'");
    return diag->errors == errors;
}

/* A password that crosses the network in the clear is everybody's. */
static bool check_login(struct lb_sink *sink, struct lb_diag *diag)
{
    const struct sink_email *self = sink->state;
    struct lb_str url = self->channel.http.url;
    uint32_t errors = diag->errors;

    if (url.len > 0 && memchr(url.ptr, '@', url.len) != NULL)
        lb_diag_error(diag, lb_section_place(&sink->section, "url"),
                      "url: the mail server alone; write user and password as options");
    if (self->user.len > 0 && !self->starttls && !lb_str_starts(url, LB_STR("smtps://")))
        lb_diag_error(diag, lb_section_place(&sink->section, "starttls"),
                      "starttls: with false the password would be sent in the clear; use smtps:// or remove user");
    if (self->password.len > 0 && self->user.len == 0)
        lb_diag_error(diag, lb_section_place(&sink->section, "password"), "password: user is missing");
    if (self->user.len > USER_BYTES_MAX)
        lb_diag_error(diag, lb_section_place(&sink->section, "user"), "user: at most %d bytes", USER_BYTES_MAX);
    return diag->errors == errors;
}

static bool check_headers(struct lb_sink *sink, struct lb_diag *diag)
{
    static const char *const own[] = { "From",
                                       "To",
                                       "Cc",
                                       "Bcc",
                                       "Sender",
                                       "Subject",
                                       "Date",
                                       "Message-ID",
                                       "In-Reply-To",
                                       "References",
                                       "Received",
                                       "Return-Path",
                                       "MIME-Version",
                                       "Content-Type",
                                       "Auto-Submitted",
                                       "Content-Transfer-Encoding" };
    const struct sink_email *self = sink->state;
    const struct lb_pairs *pairs = &self->channel.http.headers;
    uint32_t errors = diag->errors;

    for (size_t i = 0; i < pairs->count; i++) {
        for (size_t n = 0; n < sizeof(own) / sizeof(own[0]); n++) {
            if (strcasecmp(pairs->items[i].name.ptr, own[n]) == 0)
                lb_diag_error(diag, lb_section_place(&sink->section, "headers"),
                              "headers.%s: logboom writes this header itself; remove it", own[n]);
        }
    }
    return diag->errors == errors;
}

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    bool good = channel_check(sink, &service, diag);

    good &= check_addresses(sink, diag);
    good &= check_login(sink, diag);
    good &= check_headers(sink, diag);
    return good ? LB_OK : LB_BAD_CONF;
}

static void free_recipients(struct sink_email *self)
{
    for (size_t i = 0; i < RECIPIENTS_MAX; i++)
        curl_slist_free_all(self->recipients[i]);
    memset(self->recipients, 0, sizeof(self->recipients));
}

static bool make_recipients(struct sink_email *self)
{
    for (size_t i = 0; i < self->to.count; i++) {
        struct lb_str address = mail_address(self->to.items[i]);
        char line[ADDRESS_LINE_BYTES];

        snprintf(line, sizeof(line), "<" LB_STR_FMT ">", LB_STR_ARG(address));
        self->recipients[i] = curl_slist_append(NULL, line);
        if (self->recipients[i] == NULL)
            return false;
    }
    return true;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_email *self = sink->state;
    enum lb_err err = channel_open(sink, &service, diag);

    if (err != LB_OK)
        return err;
    if (make_recipients(self))
        return LB_OK;
    free_recipients(self);
    channel_close(sink);
    lb_diag_error(diag, lb_section_place(&sink->section, "to"), "out of memory for the recipients");
    return LB_NOMEM;
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_email *self = sink->state;

    channel_close(sink);
    free_recipients(self);
}

const struct lb_sink_type lb_sink_email = {
    .network = true,
    .tells = true,
    .module = { .name = "email",
                .help = "tells people of alerts by mail, through an SMTP server",
                .state_size = sizeof(struct sink_email),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = close_sink,
};
