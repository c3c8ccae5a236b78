// SPDX-License-Identifier: GPL-2.0-only
/*
 * A broker of Kafka for tests: librdkafka's own mock cluster. Says where it is on the first line of standard output; then, for each line of standard
 * input, does what it says and answers "ok": `down` (no connection is taken, those that stand are ended), `up`, or `read FILE`, which writes
 * each message of the topic "usher" there as partition, key and headers, separated by tabs, and its value.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#define TOPIC "usher"
#define PARTITIONS 3
#define BROKER 1
#define QUIET_MS 3000 /* then there is no more to be read */

static void die(const char *what)
{
	fprintf(stderr, "broker: %s\n", what);
	exit(1);
}

static rd_kafka_conf_t *settings(const char *const (*pairs)[2])
{
	rd_kafka_conf_t *made = rd_kafka_conf_new();
	char reason[256];

	for (; (*pairs)[0]; pairs++)
		if (rd_kafka_conf_set(made, (*pairs)[0], (*pairs)[1], reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
			die(reason);
	return made;
}

static void print_message(FILE *to, const rd_kafka_message_t *message)
{
	static const char *const names[] = {"type", "log", "segment", "offset"};
	rd_kafka_headers_t *headers = NULL;
	const void *value;
	size_t length;

	fprintf(to, "%d\t%.*s", message->partition, (int)message->key_len, (const char *)message->key);
	if (rd_kafka_message_headers(message, &headers))
		headers = NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!headers || rd_kafka_header_get_last(headers, names[i], &value, &length))
			length = 0;
		fprintf(to, "\t%.*s", (int)length, length ? (const char *)value : "");
	}
	fprintf(to, "\t%.*s\n", (int)message->len, (const char *)message->payload);
}

/* Each partition from its beginning, until all of them are at their ends. */
static void read_all(const char *brokers, const char *path)
{
	const char *const pairs[][2] = {
		{"bootstrap.servers", brokers}, {"group.id", "test"}, {"enable.partition.eof", "true"}, {NULL, NULL}};
	rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(PARTITIONS);
	char reason[256];
	rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, settings(pairs), reason, sizeof(reason));
	FILE *to = fopen(path, "w");
	bool ended[PARTITIONS] = {false};
	int left = PARTITIONS;

	if (!consumer || !to)
		die("cannot read");
	rd_kafka_poll_set_consumer(consumer);
	for (int i = 0; i < PARTITIONS; i++)
		rd_kafka_topic_partition_list_add(all, TOPIC, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
	if (rd_kafka_assign(consumer, all))
		die("cannot assign");
	while (left) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, QUIET_MS);

		if (!message)
			break;
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && !ended[message->partition]) {
			ended[message->partition] = true;
			left--;
		} else if (!message->err) {
			print_message(to, message);
		}
		rd_kafka_message_destroy(message);
	}
	fclose(to);
	rd_kafka_topic_partition_list_destroy(all);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
}

int main(void)
{
	const char *const none[][2] = {{NULL, NULL}};
	char reason[256], line[4096];
	rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, settings(none), reason, sizeof(reason));
	rd_kafka_mock_cluster_t *cluster = handle ? rd_kafka_mock_cluster_new(handle, 1) : NULL;
	const char *brokers;

	if (!cluster || rd_kafka_mock_topic_create(cluster, TOPIC, PARTITIONS, 1))
		die("no cluster");
	brokers = rd_kafka_mock_cluster_bootstraps(cluster);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%s\n", brokers);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "down"))
			rd_kafka_mock_broker_set_down(cluster, BROKER);
		else if (!strcmp(line, "up"))
			rd_kafka_mock_broker_set_up(cluster, BROKER);
		else if (!strncmp(line, "read ", 5))
			read_all(brokers, line + 5);
		else
			die("no such command");
		printf("ok\n");
	}
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(handle);
	return 0;
}
