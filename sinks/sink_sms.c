/*
 * sink_sms.c - an SMS to each of some people, through Twilio's Messages API.
 *
 * One message, one segment: 160 characters of GSM 03.38, whatever the log
 * line holds. Twilio knows no idempotency: a try whose answer got lost may
 * have been sent.
 */
#include "channel.h"

#include "lb_conf.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

enum {
    SEGMENT_SEPTETS = 160,
    ACCOUNT_BYTES = 34,
    TOKEN_BYTES_MAX = 128,
    NUMBER_DIGITS_MIN = 6,
    NUMBER_DIGITS_MAX = 15, /* E.164 */
    NAME_BYTES_MAX = 11,    /* of an alphanumeric sender */
    SERVICE_BYTES = 34,
    RECIPIENTS_MAX = 50,
};

struct sink_sms {
    struct channel channel;
    struct lb_str account;
    struct lb_str token;
    struct lb_str from;
    struct lb_strs to;
};

CHANNEL_GROUPS;

#define AT(member) offsetof(struct sink_sms, member)

static const struct lb_option options[] = {
    { .name = "account",
      .kind = LB_OPTION_STRING,
      .offset = AT(account),
      .flags = LB_OPTION_REQUIRED | LB_OPTION_SECRET,
      .help = "the account's SID, AC and 32 hex digits" },
    { .name = "token",
      .kind = LB_OPTION_STRING,
      .offset = AT(token),
      .flags = LB_OPTION_REQUIRED | LB_OPTION_SECRET,
      .help = "its auth token" },
    { .name = "from",
      .kind = LB_OPTION_STRING,
      .offset = AT(from),
      .flags = LB_OPTION_REQUIRED,
      .help = "the sender: a number such as '+15005550006', a name of up to 11 letters and digits, or the SID of a "
              "messaging service (MG...)" },
    { .name = "to",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(to),
      .flags = LB_OPTION_REQUIRED,
      .help = "numbers, such as '+4915112345678'; each gets a message of its own" },
    CHANNEL_ENDPOINT("https://api.twilio.com", "another region, or a service of the same form"),
    CHANNEL_OPTIONS,
    { 0 },
};

static uint32_t recipients(const struct lb_sink *sink)
{
    return (uint32_t)((const struct sink_sms *)sink->state)->to.count;
}

static bool is_service(struct lb_str from)
{
    return from.len == SERVICE_BYTES && lb_str_starts(from, LB_STR("MG"));
}

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_sms *self = sink->state;
    struct lb_buffer *words = &self->channel.words;
    struct lb_buffer *out = post->body;
    struct lb_str text = message->text;

    if (message->state == CHANNEL_RECORD) {
        lb_buffer_append_str(words, lb_buffer_str(&self->channel.title));
        lb_buffer_append_str(words, LB_STR(": "));
        lb_buffer_append_str(words, channel_front(message->text, (size_t)4 * SEGMENT_SEPTETS));
        lb_buffer_reserve(words, (size_t)4 * SEGMENT_SEPTETS); /* what is appended below must not move it */
        text = lb_buffer_str(words);
    }
    CHANNEL_PUT(post->path, "/2010-04-01/Accounts/");
    channel_percent(post->path, self->account);
    CHANNEL_PUT(post->path, "/Messages.json");
    CHANNEL_PUT(out, "To=");
    channel_percent(out, self->to.items[recipient]);
    lb_buffer_append_str(out, is_service(self->from) ? LB_STR("&MessagingServiceSid=") : LB_STR("&From="));
    channel_percent(out, self->from);
    CHANNEL_PUT(out, "&Body=");
    size_t start = words->len;
    channel_gsm7(words, text, SEGMENT_SEPTETS);
    channel_percent(out, (struct lb_str){ words->ptr + start, words->len - start });
}

static bool sign(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list)
{
    const struct sink_sms *self = sink->state;
    char pair[ACCOUNT_BYTES + TOKEN_BYTES_MAX + 2];
    unsigned char code[(sizeof(pair) + 2) / 3 * 4 + 1];
    char line[sizeof(code) + 32];

    (void)request;
    int len =
        snprintf(pair, sizeof(pair), LB_STR_FMT ":" LB_STR_FMT, LB_STR_ARG(self->account), LB_STR_ARG(self->token));
    EVP_EncodeBlock(code, (const unsigned char *)pair, len);
    snprintf(line, sizeof(line), "Authorization: Basic %s", (const char *)code);
    bool added = http_headers_add(list, line);
    OPENSSL_cleanse(pair, sizeof(pair));
    OPENSSL_cleanse(code, sizeof(code));
    OPENSSL_cleanse(line, sizeof(line));
    return added;
}

static const struct channel_type service = { .address_option = "endpoint",
                                             .content_type = "application/x-www-form-urlencoded",
                                             .every_ns = LB_SECOND,
                                             .burst = RECIPIENTS_MAX,
                                             .recipients = recipients,
                                             .compose = compose,
                                             .sign = sign };

/* + and digits. */
static bool is_number(struct lb_str text)
{
    if (text.len < NUMBER_DIGITS_MIN + 1 || text.len > NUMBER_DIGITS_MAX + 1 || *text.ptr != '+')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return true;
}

static bool check_numbers(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_sms *self = sink->state;
    bool good = self->to.count > 0 && self->to.count <= RECIPIENTS_MAX;

    for (size_t i = 0; good && i < self->to.count; i++)
        good = is_number(self->to.items[i]);
    if (!good)
        lb_diag_error(diag, lb_section_place(&sink->section, "to"),
                      "to: expected 1 to %d numbers with + and the country's code, in quotes, such as '+4915112345678'",
                      RECIPIENTS_MAX);
    if (is_number(self->from))
        return good;
    const struct channel_word from = {
        "from",
        self->from,
        " ",
        1,
        is_service(self->from) ? SERVICE_BYTES : NAME_BYTES_MAX,
        "a number such as '+15005550006', a name of up to 11 letters and digits, or the SID of a messaging service "
        "(MG and 32 hex digits)"
    };
    return channel_check_word(sink, &from, diag) && good;
}

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_sms *self = sink->state;
    const struct channel_word account = {
        "account", self->account, "", ACCOUNT_BYTES, ACCOUNT_BYTES, "the SID of the account: AC and 32 hex digits"
    };
    const struct channel_word token = { "token", self->token,     "-_",
                                        1,       TOKEN_BYTES_MAX, "the account's auth token: letters and digits" };
    bool good = channel_check(sink, &service, diag);

    good &= channel_check_word(sink, &account, diag);
    good &= channel_check_word(sink, &token, diag);
    good &= check_numbers(sink, diag);
    return good ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_open(sink, &service, diag);
}

const struct lb_sink_type lb_sink_sms = {
    .network = true,
    .tells = true,
    .module = { .name = "sms",
                .help = "tells people of alerts by SMS, through Twilio",
                .state_size = sizeof(struct sink_sms),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = channel_close,
};
