// SPDX-License-Identifier: GPL-2.0-only
/*
 * An outlet to a topic of Kafka, by librdkafka. A line is taken when all replicas that are in sync have it (acks=all), which its delivery
 * report says; the library tries as long as it takes, and its idempotent producer keeps the order and sends none twice while it lives.
 *
 * The key of each message is the name of the log, so that all of a log is in one partition, in its order: that is what the chain proves.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "ship/outlet.h"

#define CONFIGURE_ROOM 512
#define SAY_APART (10 * CLOCK_SECOND) /* the same error again */
#define PARCEL_LINES 1

struct outlet {
	const struct outlet_setup *setup;
	rd_kafka_t *producer;
	bool connected;
	int failed; /* the connection cannot go on: -errno */
	struct problem failure;
	struct problem note, said; /* what is to be said, and was said last */
	int64_t said_at;
};

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
	struct outlet *outlet = opaque;

	(void)producer;
	if (!message->err) {
		window_taken(outlet->setup->window, (uint64_t)(uintptr_t)message->_private);
		outlet->connected = true;
		return;
	}
	if (!outlet->failed)
		outlet->failed = problem_set(&outlet->failure, -EIO, "a record was not taken: %s",
					     rd_kafka_err2str(message->err));
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
	struct outlet *outlet = opaque;
	char text[400];

	if (error == RD_KAFKA_RESP_ERR__FATAL) {
		error = rd_kafka_fatal_error(producer, text, sizeof(text));
		outlet->failed = problem_set(&outlet->failure, -EIO, "%s: %s", rd_kafka_err2name(error), text);
		return;
	}
	/* That all brokers are away says less than why one is, which librdkafka has said before, once. */
	if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
		outlet->connected = false;
		if (!*outlet->note.text)
			outlet->note = outlet->said;
		if (*outlet->note.text)
			return;
	}
	problem_set(&outlet->note, 0, "%s", reason);
}

/* What the library would print. */
static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
	(void)producer;
	(void)level;
	(void)facility;
	(void)text;
}

static int set(rd_kafka_conf_t *settings, const char *name, const char *value, struct problem *problem)
{
	char reason[CONFIGURE_ROOM];

	if (rd_kafka_conf_set(settings, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
		return 0;
	return problem_set(problem, -EINVAL, "librdkafka: %s", reason);
}

static int configure_tls(rd_kafka_conf_t *settings, const struct credentials *credentials, struct problem *problem)
{
	int error = set(settings, "security.protocol", "ssl", problem);

	if (!error)
		error = set(settings, "enable.ssl.certificate.verification", "true", problem);
	if (!error)
		error = set(settings, "ssl.endpoint.identification.algorithm", "https", problem);
	if (!error)
		error = set(settings, "ssl.ca.pem", credentials->ca, problem);
	if (!error && credentials->certificate)
		error = set(settings, "ssl.certificate.pem", credentials->certificate, problem);
	if (!error && credentials->key)
		error = set(settings, "ssl.key.pem", credentials->key, problem);
	return error;
}

static int configure(rd_kafka_conf_t *settings, const struct outlet_setup *setup, struct problem *problem)
{
	static const char *const pairs[][2] = {
		{"client.id", "usher"},
		{"acks", "all"},
		{"enable.idempotence", "true"},
		{"message.timeout.ms", "0"}, /* never given up */
		{"linger.ms", "20"},
		{"message.max.bytes", "2000000"}, /* a line is shorter */
		{"queue.buffering.max.messages", "10000"},
		{"queue.buffering.max.kbytes", "16384"},
		{"socket.timeout.ms", "30000"},
		{"socket.keepalive.enable", "true"},
		{"reconnect.backoff.max.ms", "5000"},
	};
	int error = set(settings, "bootstrap.servers", setup->destination->brokers, problem);

	for (size_t i = 0; !error && i < ARRAY_COUNT(pairs); i++)
		error = set(settings, pairs[i][0], pairs[i][1], problem);
	if (!error && setup->destination->tls)
		error = configure_tls(settings, setup->credentials, problem);
	return error;
}

static void close_outlet(struct outlet *outlet)
{
	if (!outlet)
		return;
	if (outlet->producer) {
		rd_kafka_purge(outlet->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_destroy_flags(outlet->producer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	}
	free(outlet);
}

static int open_outlet(const struct outlet_setup *setup, struct problem *problem, struct outlet **ret_outlet)
{
	struct outlet *outlet = calloc(1, sizeof(*outlet));
	rd_kafka_conf_t *settings;
	char reason[CONFIGURE_ROOM];
	int error;

	if (!outlet)
		return problem_set(problem, -ENOMEM, "no memory");
	outlet->setup = setup;
	settings = rd_kafka_conf_new();
	error = configure(settings, setup, problem);
	if (!error) {
		rd_kafka_conf_set_opaque(settings, outlet);
		rd_kafka_conf_set_dr_msg_cb(settings, on_delivery);
		rd_kafka_conf_set_error_cb(settings, on_error);
		rd_kafka_conf_set_log_cb(settings, on_log);
		outlet->producer = rd_kafka_new(RD_KAFKA_PRODUCER, settings, reason, sizeof(reason));
		if (!outlet->producer)
			error = problem_set(problem, -EINVAL, "librdkafka: %s", reason);
		else
			settings = NULL; /* the producer's now */
	}
	if (settings)
		rd_kafka_conf_destroy(settings);
	if (error) {
		close_outlet(outlet);
		return error;
	}
	*ret_outlet = outlet;
	return 0;
}

static int put(struct outlet *outlet, const struct consignment *consignment, uint64_t number, struct problem *problem)
{
	char segment[16], offset[24];
	rd_kafka_resp_err_t error;

	snprintf(segment, sizeof(segment), "%" PRIu32, consignment->segment);
	snprintf(offset, sizeof(offset), "%" PRIu64, consignment->offset);
	error = rd_kafka_producev(
		outlet->producer, RD_KAFKA_V_TOPIC(outlet->setup->destination->topic),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(consignment->log, strlen(consignment->log)),
		RD_KAFKA_V_VALUE((void *)(uintptr_t)consignment->line, consignment->length),
		RD_KAFKA_V_TIMESTAMP(consignment->time / CLOCK_MILLISECOND),
		RD_KAFKA_V_HEADER("type", consignment->type, -1), RD_KAFKA_V_HEADER("log", consignment->log, -1),
		RD_KAFKA_V_HEADER("segment", segment, -1), RD_KAFKA_V_HEADER("offset", offset, -1),
		RD_KAFKA_V_OPAQUE((void *)(uintptr_t)number), RD_KAFKA_V_END);
	if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return -EAGAIN;
	return error ? problem_set(problem, -EIO, "a record is not taken: %s", rd_kafka_err2str(error)) : 0;
}

static int work(struct outlet *outlet, int wait_ms, struct problem *note, struct problem *problem)
{
	int64_t now;

	rd_kafka_poll(outlet->producer, wait_ms);
	now = clock_monotonic();
	if (*outlet->note.text &&
	    (strcmp(outlet->note.text, outlet->said.text) != 0 || now - outlet->said_at >= SAY_APART)) {
		*note = outlet->said = outlet->note;
		outlet->said_at = now;
	}
	outlet->note.text[0] = '\0';
	if (outlet->failed)
		*problem = outlet->failure;
	return outlet->failed;
}

static bool connected(const struct outlet *outlet)
{
	return outlet->connected;
}

const struct outlet_kind outlet_kafka = {PARCEL_LINES, open_outlet, close_outlet, put, work, connected};
