/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decisions, and ends of connections, as events of the Open Cybersecurity Schema Framework, release 1.3.0: class 4001, Network Activity, with the profiles
 * security_control and load_balancer.
 *
 *   activity      Open: admitted, rerouted, adopted. Traffic: other records of a connection that goes on (confirmed). Refuse: policy says no.
 *                 Fail: dropped for lack of room, a limit or its form. Reset: an open connection was revoked. Of an end (record type "flow"):
 *                 Reset: by one of its sides, or revoked; Fail: its handshake never proved the client; Close: any other
 *   action        Allowed or Denied;  disposition  Allowed, Blocked (refused), Dropped, Access Revoked
 *   severity      Informational; Low: denied; Medium: revoked
 *   status_code, status_detail, metadata.event_code                the reason, as a word and as a sentence
 *   src_endpoint  the client: ip; or uid, where it is on record as a network (ADDRESS/BITS) or a pseudonym. location: its region.
 *                 proxy_endpoint: the address and port that usher speaks from
 *   dst_endpoint  what the client called; svc_name: the service
 *   load_balancer.dst_endpoint                                     the backend: name, ip, port, location; svc_name: the service rerouted to
 *   policy {uid: digest, version: revision}, firewall_rule {uid}   metadata.tenant_uid: the tenant
 *   count, start_time, end_time                                    of many decisions in one record
 *   start_time, end_time, duration, traffic                        of an end. connection_info.uid: the connection's community id
 *   unmapped      what the schema has no place for: model, version, generation, boot, cpu, ring, regions that are no country, ...
 *
 * direction_id is Unknown: whether a client is inside or outside of somebody's network is nothing that usher knows. Operations
 * are of another class (ocsf_operation.h). Gaps and what the log says of itself have no event: there is none of a class for what was not recorded.
 */
#ifndef USHER_AUDIT_OCSF_H
#define USHER_AUDIT_OCSF_H

#include "base/json.h"

#define OCSF_VERSION "1.3.0"

/* line: a record that is JSON, without what ends it. Adds one event, and the end of its line. False: it is none, and nothing was added. */
bool ocsf_event(struct json *to, const char *line, size_t length, const char *product_version);

#endif
