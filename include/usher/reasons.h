/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One list of verdict reasons. Enum, metric label, sentence and documentation are all made from it.
 *
 * A reason belongs to exactly one verdict, so counting reasons per service counts everything:
 * packets in = sum over all reasons, per service, always.
 *
 * Numbers are part of the audit format: append, never renumber.
 */
#ifndef USHER_REASONS_H
#define USHER_REASONS_H

/* X(number, NAME, "label", "sentence") */
#define USHER_VERDICTS(X)                                                                                              \
	X(0, PASS, "pass", "handed to the host untouched")                                                             \
	X(1, FORWARD, "forward", "sent to a backend, or from one to its client")                                       \
	X(2, REFUSE, "refuse", "policy says no; answered, or dropped if the rule says so")                             \
	X(3, DROP, "drop", "malformed, or usher has no room for it")                                                   \
	X(4, REVOKE, "revoke", "an open flow that policy no longer allows")

/* X(number, NAME, verdict, "label", "sentence") */
#define USHER_REASONS(X)                                                                                               \
	/* passed */                                                                                                   \
	X(0, NOT_FOR_SERVICE, PASS, "not-for-service", "no service has this address, port and protocol")               \
	X(1, ICMP_TO_HOST, PASS, "icmp-to-host", "ICMP to a service address is the host's")                            \
	/* forwarded */                                                                                                \
	X(8, ADMITTED, FORWARD, "admitted", "first packet of a flow that policy allows")                               \
	X(9, REROUTED, FORWARD, "rerouted", "admitted to the service that a reroute rule names")                       \
	X(10, ADOPTED, FORWARD, "adopted", "direct return: a flow that began at another gateway")                      \
	X(11, ESTABLISHED, FORWARD, "established", "packet of a flow that is already decided")                         \
	X(12, REAFFIRMED, FORWARD, "reaffirmed", "first packet after a new epoch, still allowed")                      \
	X(13, RETURNED, FORWARD, "returned", "answer of a backend on its way to the client")                           \
	X(15, ICMP_RELAYED, FORWARD, "icmp-relayed",                                                                   \
	  "ICMP error that quotes a flow, taken to the end that it concerns")                                          \
	X(16, STRAY_END, FORWARD, "stray-end",                                                                         \
	  "direct return: FIN or RST of a flow that is not known, sent where it would be")                             \
	X(14, CONFIRMED, FORWARD, "confirmed", "the handshake proved the source address")                              \
	/* refused by policy */                                                                                        \
	X(20, DENY_RULE, REFUSE, "deny-rule", "a deny rule matches")                                                   \
	X(21, NO_ALLOW_RULE, REFUSE, "no-allow-rule", "no allow rule matches")                                         \
	X(22, NO_BACKEND, REFUSE, "no-backend", "no backend serves the model")                                         \
	X(23, REQUIRE_RULE, REFUSE, "require-rule", "a require rule removed the last backend")                         \
	X(24, DENY_BACKENDS, REFUSE, "deny-backends", "a deny rule removed the last backend")                          \
	X(25, EVIDENCE_EXPIRED, REFUSE, "evidence-expired", "the last version's label or validation has lapsed")       \
	X(26, ADDRESS_FAMILY, REFUSE, "address-family", "no allowed backend has the client's address family")          \
	X(27, NO_SHARE, REFUSE, "no-share", "neither split nor roll-out gives a version with a backend a share")       \
	X(28, DRAINING, REFUSE, "draining", "every allowed backend is draining")                                       \
	X(29, UNHEALTHY, REFUSE, "unhealthy", "every allowed backend fails its health check")                          \
	X(30, UNREACHABLE, REFUSE, "unreachable", "no allowed backend has a next hop")                                 \
	X(31, NO_POLICY, REFUSE, "no-policy", "no policy is loaded yet")                                               \
	X(32, CONTROLLER_LOST, REFUSE, "controller-lost", "the controller has been silent for too long")               \
	X(33, NO_FLOW, REFUSE, "no-flow", "TCP without SYN that belongs to no flow")                                   \
	X(34, QUARANTINED, REFUSE, "quarantined", "quarantine removed the last backend")                               \
	X(35, GATE_BREACHED, REFUSE, "gate-breached", "a gate removed the last backend")                               \
	X(36, UNVERIFIED, REFUSE, "unverified", "verification removed the last backend")                               \
	X(37, EJECTED, REFUSE, "ejected", "every allowed backend fails more, or answers later, than its peers")        \
	X(38, SHED, REFUSE, "shed", "a surge: tenants of this priority are not served")                                \
	X(39, TIER_CLOSED, REFUSE, "tier-closed", "every allowed backend is in an overflow tier that is not open")     \
	/* dropped: malformed */                                                                                       \
	X(40, IP_HEADER, DROP, "ip-header", "IP version, header length or total length is wrong")                      \
	X(41, FRAGMENT, DROP, "fragment", "fragments hide ports and are not served")                                   \
	X(42, IP_SOURCE, DROP, "ip-source",                                                                            \
	  "source address is unspecified, loopback, multicast or the destination itself")                              \
	X(43, IPV6_EXTENSIONS, DROP, "ipv6-extensions", "too many, unknown or truncated IPv6 extension headers")       \
	X(44, TCP_HEADER, DROP, "tcp-header", "TCP header is truncated or its length is wrong")                        \
	X(45, TCP_FLAGS, DROP, "tcp-flags", "no sane TCP sends these flags together")                                  \
	X(46, UDP_HEADER, DROP, "udp-header", "UDP header is truncated or its length is wrong")                        \
	X(47, PORT_ZERO, DROP, "port-zero", "source port 0")                                                           \
	X(48, TTL_EXPIRED, DROP, "ttl-expired", "hop limit is used up")                                                \
	/* dropped: no room */                                                                                         \
	X(56, FLOW_TABLE_FULL, DROP, "flow-table-full", "no line for a new flow")                                      \
	X(57, HALF_OPEN_LIMIT, DROP, "half-open-limit", "the tenant has too many half-open flows")                     \
	X(58, FLOW_CONTENDED, DROP, "flow-contended", "another CPU was inserting at the same line")                    \
	X(59, NAT_PORTS, DROP, "nat-ports", "no free source port towards the backend")                                 \
	X(60, NAT_NO_FLOW, DROP, "nat-no-flow", "packet to a NAT address that belongs to no flow")                     \
	X(61, AUDIT_FULL, DROP, "audit-full", "no record, no service: the audit ring is full")                         \
	X(62, NEXT_HOP, DROP, "next-hop", "the flow's backend has no next hop at the moment")                          \
	X(63, NO_HEADROOM, DROP, "no-headroom", "the driver gave no room to build the packet")                         \
	X(49, ICMP_UNJUDGED, DROP, "icmp-unjudged",                                                                    \
	  "ICMP error about a flow that is revoked, or not judged again yet")                                          \
	X(64, TOO_BIG, DROP, "too-big", "does not fit the path; its sender has been told")                             \
	X(65, NEW_FLOW_LIMIT, DROP, "new-flow-limit", "the tenant opens flows faster than its limit")                  \
	X(66, ACTIVE_FLOW_LIMIT, DROP, "active-flow-limit", "the tenant has as many active flows as it may")           \
	X(67, BIT_RATE_LIMIT, DROP, "bit-rate-limit", "the tenant sends or gets more bits than its limit")             \
	X(68, AUDIT_BUDGET, DROP, "audit-budget",                                                                      \
	  "no record, no service: the tenant has used up its records of this second")                                  \
	X(70, BACKEND_FORGOT, DROP, "backend-forgot",                                                                  \
	  "the backend had forgotten an open connection; the next SYN begins a new one")                               \
	/* revoked */                                                                                                  \
	X(72, REVOKED, REVOKE, "revoked", "policy no longer allows this flow's backend")                               \
	X(73, REVOKED_TAIL, REVOKE, "revoked-tail", "later packet of a flow that was cut")

#define USHER_REASON_MAX 80

enum usher_verdict {
#define X(number, name, label, text) USHER_VERDICT_##name = number,
	USHER_VERDICTS(X)
#undef X
};

enum usher_reason {
#define X(number, name, verdict, label, text) USHER_REASON_##name = number,
	USHER_REASONS(X)
#undef X
};

#endif
