/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the records of the audit log are sent to, as --ship says it. Pure. */
#ifndef USHER_SHIP_DESTINATION_H
#define USHER_SHIP_DESTINATION_H

#include <stdbool.h>
#include <stdint.h>

#define SHIP_DESTINATIONS_MAX 8
#define DESTINATION_TEXT 512
#define DESTINATION_HOST 254  /* with the final NUL */
#define DESTINATION_TOPIC 250 /* the same; Kafka takes 249 */
#define DESTINATION_ID 17     /* the same */

enum destination_kind { DESTINATION_JOURNALD, DESTINATION_SYSLOG, DESTINATION_KAFKA };

struct destination {
	enum destination_kind kind;
	bool tls;
	char text[DESTINATION_TEXT]; /* as it was given */
	char id[DESTINATION_ID];     /* of that text, hexadecimal: names its file */
	char host[DESTINATION_HOST]; /* of syslog: a name or an address without brackets */
	char port[6];
	char brokers[DESTINATION_TEXT]; /* these two of Kafka: HOST:PORT,... */
	char topic[DESTINATION_TOPIC];
};

#define DESTINATION_CHOICES                                                                                            \
	"journald, syslog+tls://HOST:PORT, syslog+tcp://HOST:PORT, kafka+tls://BROKER:PORT[,BROKER:PORT...]/TOPIC or " \
	"kafka://... without TLS"

/* Returns 0, or -EINVAL: it is none of the choices. */
int destination_parse(const char *text, struct destination *ret_destination);
/* Number of a facility of RFC 5424 by its name (daemon, local0, ...): 0 or -EINVAL. */
int destination_facility(const char *name, uint8_t *ret_facility);

#endif
