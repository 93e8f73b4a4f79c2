/*
 * kafka_mock.c - librdkafka's mock cluster as a process of its own, so that it
 * outlives a logboom that is killed. Used where no real broker can be had.
 *
 * Prints the bootstrap address, then every message of every topic as Kafka's
 * console consumer does, until its standard input ends. It reads all the
 * while, for the mock keeps only the newest few MiB of a partition.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char error[256];

    if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) == RD_KAFKA_CONF_OK)
        return;
    fprintf(stderr, "kafka_mock: %s\n", error);
    exit(2);
}

static rd_kafka_t *open_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char error[256];
    rd_kafka_t *handle = rd_kafka_new(type, conf, error, sizeof(error));

    if (handle == NULL) {
        fprintf(stderr, "kafka_mock: %s\n", error);
        exit(2);
    }
    return handle;
}

static rd_kafka_t *open_consumer(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);

    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", "trials");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "topic.metadata.refresh.interval.ms", "500");
    rd_kafka_t *consumer = open_handle(RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_partition_list_add(topics, "^.*", RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
}

static void print_headers(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        printf("%s%s:%.*s", i > 0 ? "," : "", name, (int)len, (const char *)value);
}

static void print(const rd_kafka_message_t *message)
{
    printf("Partition:%d\tOffset:%lld\t", message->partition, (long long)message->offset);
    print_headers(message);
    printf("\t%.*s\t%.*s\n", (int)message->key_len, (const char *)message->key, (int)message->len,
           (const char *)message->payload);
}

static bool input_ended(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    char byte;

    return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

int main(void)
{
    rd_kafka_t *owner = open_handle(RD_KAFKA_PRODUCER, rd_kafka_conf_new());
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(owner, 1);

    if (cluster == NULL)
        return 2;
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    rd_kafka_t *consumer = open_consumer(rd_kafka_mock_cluster_bootstraps(cluster));
    while (!input_ended()) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);

        if (message == NULL) {
            fflush(stdout);
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            print(message);
        rd_kafka_message_destroy(message);
    }
    fflush(stdout);
    _exit(0); /* closing a consumer takes seconds, and nobody needs its last commit */
}
