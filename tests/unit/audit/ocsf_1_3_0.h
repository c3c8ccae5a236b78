/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What release 1.3.0 of the Open Cybersecurity Schema Framework (github.com/ocsf/ocsf-schema) says of class 4001, Network Activity, with
 * the profiles security_control and load_balancer, and of class 3004, Entity Management: names, types and requirements of the attributes of the event and of the objects that
 * usher uses in it, and identifiers with their captions. Facts, noted down from the published schema; of deep objects that usher does not use
 * (tls, proxy, malware, ...) only the names.
 */
#ifndef USHER_TESTS_OCSF_1_3_0_H
#define USHER_TESTS_OCSF_1_3_0_H

#include <stdbool.h>

enum ocsf_type { STRING, INTEGER, LONG, BOOLEAN, TIMESTAMP, IP, PORT, OBJECT, STRINGS, UNUSED };

struct ocsf_caption {
	int id;
	const char *text; /* ended by NULL */
};

static const struct ocsf_caption activities[] = {{0, "Unknown"}, {1, "Open"},	{2, "Close"},
						 {3, "Reset"},	 {4, "Fail"},	{5, "Refuse"},
						 {6, "Traffic"}, {99, "Other"}, {0, NULL}};
static const struct ocsf_caption severities[] = {{0, "Unknown"}, {1, "Informational"}, {2, "Low"},
						 {3, "Medium"},	 {4, "High"},	       {5, "Critical"},
						 {6, "Fatal"},	 {99, "Other"},	       {0, NULL}};
static const struct ocsf_caption statuses[] = {
	{0, "Unknown"}, {1, "Success"}, {2, "Failure"}, {99, "Other"}, {0, NULL}};
static const struct ocsf_caption actions[] = {{0, "Unknown"}, {1, "Allowed"}, {2, "Denied"}, {99, "Other"}, {0, NULL}};
static const struct ocsf_caption dispositions[] = {{0, "Unknown"},
						   {1, "Allowed"},
						   {2, "Blocked"},
						   {3, "Quarantined"},
						   {4, "Isolated"},
						   {5, "Deleted"},
						   {6, "Dropped"},
						   {7, "Custom Action"},
						   {8, "Approved"},
						   {9, "Restored"},
						   {10, "Exonerated"},
						   {11, "Corrected"},
						   {12, "Partially Corrected"},
						   {13, "Uncorrected"},
						   {14, "Delayed"},
						   {15, "Detected"},
						   {16, "No Action"},
						   {17, "Logged"},
						   {18, "Tagged"},
						   {19, "Alert"},
						   {20, "Count"},
						   {21, "Reset"},
						   {22, "Captcha"},
						   {23, "Challenge"},
						   {24, "Access Revoked"},
						   {25, "Rejected"},
						   {26, "Unauthorized"},
						   {27, "Error"},
						   {99, "Other"},
						   {0, NULL}};
static const struct ocsf_caption directions[] = {{0, "Unknown"}, {1, "Inbound"}, {2, "Outbound"},
						 {3, "Lateral"}, {99, "Other"},	 {0, NULL}};
static const struct ocsf_caption management_activities[] = {
	{0, "Unknown"},	 {1, "Create"},	  {2, "Read"},	 {3, "Update"},	 {4, "Delete"},	   {5, "Move"},
	{6, "Enroll"},	 {7, "Unenroll"}, {8, "Enable"}, {9, "Disable"}, {10, "Activate"}, {11, "Deactivate"},
	{12, "Suspend"}, {13, "Resume"},  {99, "Other"}, {0, NULL}};
static const struct ocsf_caption management_category[] = {{3, "Identity & Access Management"}, {0, NULL}};
static const struct ocsf_caption management_class[] = {{3004, "Entity Management"}, {0, NULL}};
/* Without captions in the event. */
static const struct ocsf_caption category[] = {{4, "Network Activity"}, {0, NULL}};
static const struct ocsf_caption class[] = {{4001, "Network Activity"}, {0, NULL}};
static const struct ocsf_caption ip_versions[] = {{0, "Unknown"}, {4, "IPv4"}, {6, "IPv6"}, {99, "Other"}, {0, NULL}};

struct ocsf_attribute {
	const char *object, *name;
	enum ocsf_type type;
	bool required;
	const char *of;			     /* OBJECT: which */
	const struct ocsf_caption *captions; /* INTEGER: those that there are */
	const char *sibling;		     /* the attribute that has the caption */
};

#define EVENT "network_activity"
#define MANAGEMENT "entity_management"
static const struct ocsf_attribute attributes[] = {
	/* classification, occurrence, base event */
	{EVENT, "activity_id", INTEGER, true, NULL, activities, "activity_name"},
	{EVENT, "activity_name", STRING, false, NULL, NULL, NULL},
	{EVENT, "category_uid", INTEGER, true, NULL, category, "category_name"},
	{EVENT, "category_name", STRING, false, NULL, NULL, NULL},
	{EVENT, "class_uid", INTEGER, true, NULL, class, "class_name"},
	{EVENT, "class_name", STRING, false, NULL, NULL, NULL},
	{EVENT, "type_uid", LONG, true, NULL, NULL, NULL},
	{EVENT, "type_name", STRING, false, NULL, NULL, NULL},
	{EVENT, "time", TIMESTAMP, true, NULL, NULL, NULL},
	{EVENT, "timezone_offset", INTEGER, false, NULL, NULL, NULL},
	{EVENT, "start_time", TIMESTAMP, false, NULL, NULL, NULL},
	{EVENT, "end_time", TIMESTAMP, false, NULL, NULL, NULL},
	{EVENT, "duration", INTEGER, false, NULL, NULL, NULL},
	{EVENT, "count", INTEGER, false, NULL, NULL, NULL},
	{EVENT, "severity_id", INTEGER, true, NULL, severities, "severity"},
	{EVENT, "severity", STRING, false, NULL, NULL, NULL},
	{EVENT, "status_id", INTEGER, false, NULL, statuses, "status"},
	{EVENT, "status", STRING, false, NULL, NULL, NULL},
	{EVENT, "status_code", STRING, false, NULL, NULL, NULL},
	{EVENT, "status_detail", STRING, false, NULL, NULL, NULL},
	{EVENT, "message", STRING, false, NULL, NULL, NULL},
	{EVENT, "raw_data", STRING, false, NULL, NULL, NULL},
	{EVENT, "metadata", OBJECT, true, "metadata", NULL, NULL},
	{EVENT, "unmapped", OBJECT, false, "object", NULL, NULL},
	{EVENT, "enrichments", UNUSED, false, NULL, NULL, NULL},
	{EVENT, "observables", UNUSED, false, NULL, NULL, NULL},
	/* network */
	{EVENT, "app_name", STRING, false, NULL, NULL, NULL},
	{EVENT, "connection_info", OBJECT, false, "network_connection_info", NULL, NULL},
	{EVENT, "dst_endpoint", OBJECT, true, "network_endpoint", NULL, NULL},
	{EVENT, "src_endpoint", OBJECT, false, "network_endpoint", NULL, NULL},
	{EVENT, "traffic", OBJECT, false, "network_traffic", NULL, NULL},
	{EVENT, "proxy", UNUSED, false, NULL, NULL, NULL},
	{EVENT, "tls", UNUSED, false, NULL, NULL, NULL},
	{EVENT, "ja4_fingerprint_list", UNUSED, false, NULL, NULL, NULL},
	{EVENT, "url", UNUSED, false, NULL, NULL, NULL},
	/* profile security_control */
	{EVENT, "action_id", INTEGER, true, NULL, actions, "action"},
	{EVENT, "action", STRING, false, NULL, NULL, NULL},
	{EVENT, "disposition_id", INTEGER, false, NULL, dispositions, "disposition"},
	{EVENT, "disposition", STRING, false, NULL, NULL, NULL},
	{EVENT, "policy", OBJECT, false, "policy", NULL, NULL},
	{EVENT, "firewall_rule", OBJECT, false, "firewall_rule", NULL, NULL},
	{EVENT, "attacks", UNUSED, false, NULL, NULL, NULL},
	{EVENT, "authorizations", UNUSED, false, NULL, NULL, NULL},
	{EVENT, "malware", UNUSED, false, NULL, NULL, NULL},
	/* profile load_balancer */
	{EVENT, "load_balancer", OBJECT, false, "load_balancer", NULL, NULL},

	{MANAGEMENT, "activity_id", INTEGER, true, NULL, management_activities, "activity_name"},
	{MANAGEMENT, "activity_name", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "category_uid", INTEGER, true, NULL, management_category, "category_name"},
	{MANAGEMENT, "category_name", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "class_uid", INTEGER, true, NULL, management_class, "class_name"},
	{MANAGEMENT, "class_name", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "type_uid", LONG, true, NULL, NULL, NULL},
	{MANAGEMENT, "type_name", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "time", TIMESTAMP, true, NULL, NULL, NULL},
	{MANAGEMENT, "timezone_offset", INTEGER, false, NULL, NULL, NULL},
	{MANAGEMENT, "start_time", TIMESTAMP, false, NULL, NULL, NULL},
	{MANAGEMENT, "end_time", TIMESTAMP, false, NULL, NULL, NULL},
	{MANAGEMENT, "duration", INTEGER, false, NULL, NULL, NULL},
	{MANAGEMENT, "count", INTEGER, false, NULL, NULL, NULL},
	{MANAGEMENT, "severity_id", INTEGER, true, NULL, severities, "severity"},
	{MANAGEMENT, "severity", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "status_id", INTEGER, false, NULL, statuses, "status"},
	{MANAGEMENT, "status", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "status_code", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "status_detail", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "message", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "raw_data", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "metadata", OBJECT, true, "metadata", NULL, NULL},
	{MANAGEMENT, "unmapped", OBJECT, false, "object", NULL, NULL},
	{MANAGEMENT, "enrichments", UNUSED, false, NULL, NULL, NULL},
	{MANAGEMENT, "observables", UNUSED, false, NULL, NULL, NULL},
	/* identity and access management */
	{MANAGEMENT, "src_endpoint", OBJECT, false, "network_endpoint", NULL, NULL},
	{MANAGEMENT, "http_request", UNUSED, false, NULL, NULL, NULL},
	{MANAGEMENT, "actor", OBJECT, false, "actor", NULL, NULL},
	{MANAGEMENT, "comment", STRING, false, NULL, NULL, NULL},
	{MANAGEMENT, "entity", OBJECT, true, "managed_entity", NULL, NULL},
	{MANAGEMENT, "entity_result", OBJECT, false, "managed_entity", NULL, NULL},

	{"managed_entity", "name", STRING, false, NULL, NULL, NULL},
	{"managed_entity", "uid", STRING, false, NULL, NULL, NULL},
	{"managed_entity", "type", STRING, false, NULL, NULL, NULL},
	{"managed_entity", "version", STRING, false, NULL, NULL, NULL},
	{"managed_entity", "data", OBJECT, false, "object", NULL, NULL},
	{"actor", "user", OBJECT, false, "user", NULL, NULL},
	{"actor", "process", OBJECT, false, "process", NULL, NULL},
	{"actor", "app_name", STRING, false, NULL, NULL, NULL},
	{"actor", "app_uid", STRING, false, NULL, NULL, NULL},
	{"user", "name", STRING, false, NULL, NULL, NULL},
	{"user", "uid", STRING, false, NULL, NULL, NULL},
	{"user", "domain", STRING, false, NULL, NULL, NULL},
	{"process", "pid", INTEGER, false, NULL, NULL, NULL},
	{"process", "uid", STRING, false, NULL, NULL, NULL},
	{"process", "name", STRING, false, NULL, NULL, NULL},

	{"metadata", "version", STRING, true, NULL, NULL, NULL},
	{"metadata", "product", OBJECT, true, "product", NULL, NULL},
	{"metadata", "profiles", STRINGS, false, NULL, NULL, NULL},
	{"metadata", "labels", STRINGS, false, NULL, NULL, NULL},
	{"metadata", "correlation_uid", STRING, false, NULL, NULL, NULL},
	{"metadata", "event_code", STRING, false, NULL, NULL, NULL},
	{"metadata", "log_level", STRING, false, NULL, NULL, NULL},
	{"metadata", "log_name", STRING, false, NULL, NULL, NULL},
	{"metadata", "log_provider", STRING, false, NULL, NULL, NULL},
	{"metadata", "log_version", STRING, false, NULL, NULL, NULL},
	{"metadata", "logged_time", TIMESTAMP, false, NULL, NULL, NULL},
	{"metadata", "modified_time", TIMESTAMP, false, NULL, NULL, NULL},
	{"metadata", "processed_time", TIMESTAMP, false, NULL, NULL, NULL},
	{"metadata", "original_time", STRING, false, NULL, NULL, NULL},
	{"metadata", "sequence", INTEGER, false, NULL, NULL, NULL},
	{"metadata", "tenant_uid", STRING, false, NULL, NULL, NULL},
	{"metadata", "uid", STRING, false, NULL, NULL, NULL},

	{"product", "name", STRING, false, NULL, NULL, NULL},
	{"product", "vendor_name", STRING, true, NULL, NULL, NULL},
	{"product", "version", STRING, false, NULL, NULL, NULL},
	{"product", "uid", STRING, false, NULL, NULL, NULL},
	{"product", "lang", STRING, false, NULL, NULL, NULL},
	{"product", "path", STRING, false, NULL, NULL, NULL},
	{"product", "url_string", STRING, false, NULL, NULL, NULL},
	{"product", "cpe_name", STRING, false, NULL, NULL, NULL},

	{"network_endpoint", "ip", IP, false, NULL, NULL, NULL},
	{"network_endpoint", "port", PORT, false, NULL, NULL, NULL},
	{"network_endpoint", "name", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "uid", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "hostname", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "domain", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "svc_name", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "instance_uid", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "interface_uid", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "interface_name", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "subnet_uid", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "vlan_uid", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "vpc_uid", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "zone", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "type", STRING, false, NULL, NULL, NULL},
	{"network_endpoint", "type_id", INTEGER, false, NULL, NULL, NULL},
	{"network_endpoint", "location", OBJECT, false, "location", NULL, NULL},
	{"network_endpoint", "proxy_endpoint", OBJECT, false, "network_endpoint", NULL, NULL},

	{"location", "city", STRING, false, NULL, NULL, NULL},
	{"location", "continent", STRING, false, NULL, NULL, NULL},
	{"location", "country", STRING, false, NULL, NULL, NULL},
	{"location", "desc", STRING, false, NULL, NULL, NULL},
	{"location", "postal_code", STRING, false, NULL, NULL, NULL},
	{"location", "region", STRING, false, NULL, NULL, NULL},

	{"network_connection_info", "boundary", STRING, false, NULL, NULL, NULL},
	{"network_connection_info", "boundary_id", INTEGER, false, NULL, NULL, NULL},
	{"network_connection_info", "direction", STRING, false, NULL, NULL, NULL},
	{"network_connection_info", "direction_id", INTEGER, true, NULL, directions, "direction"},
	{"network_connection_info", "protocol_name", STRING, false, NULL, NULL, NULL},
	{"network_connection_info", "protocol_num", INTEGER, false, NULL, NULL, NULL},
	{"network_connection_info", "protocol_ver", STRING, false, NULL, NULL, NULL},
	{"network_connection_info", "protocol_ver_id", INTEGER, false, NULL, ip_versions, NULL},
	{"network_connection_info", "tcp_flags", INTEGER, false, NULL, NULL, NULL},
	{"network_connection_info", "uid", STRING, false, NULL, NULL, NULL},

	{"network_traffic", "bytes", LONG, false, NULL, NULL, NULL},
	{"network_traffic", "bytes_in", LONG, false, NULL, NULL, NULL},
	{"network_traffic", "bytes_out", LONG, false, NULL, NULL, NULL},
	{"network_traffic", "packets", LONG, false, NULL, NULL, NULL},
	{"network_traffic", "packets_in", LONG, false, NULL, NULL, NULL},
	{"network_traffic", "packets_out", LONG, false, NULL, NULL, NULL},

	{"policy", "name", STRING, false, NULL, NULL, NULL},
	{"policy", "uid", STRING, false, NULL, NULL, NULL},
	{"policy", "version", STRING, false, NULL, NULL, NULL},
	{"policy", "desc", STRING, false, NULL, NULL, NULL},
	{"policy", "is_applied", BOOLEAN, false, NULL, NULL, NULL},

	{"firewall_rule", "name", STRING, false, NULL, NULL, NULL},
	{"firewall_rule", "uid", STRING, false, NULL, NULL, NULL},
	{"firewall_rule", "category", STRING, false, NULL, NULL, NULL},
	{"firewall_rule", "desc", STRING, false, NULL, NULL, NULL},
	{"firewall_rule", "type", STRING, false, NULL, NULL, NULL},
	{"firewall_rule", "version", STRING, false, NULL, NULL, NULL},

	{"load_balancer", "name", STRING, false, NULL, NULL, NULL},
	{"load_balancer", "uid", STRING, false, NULL, NULL, NULL},
	{"load_balancer", "ip", IP, false, NULL, NULL, NULL},
	{"load_balancer", "code", INTEGER, false, NULL, NULL, NULL},
	{"load_balancer", "classification", STRING, false, NULL, NULL, NULL},
	{"load_balancer", "dst_endpoint", OBJECT, false, "network_endpoint", NULL, NULL},
	{"load_balancer", "status_detail", STRING, false, NULL, NULL, NULL},
	{"load_balancer", "error_message", STRING, false, NULL, NULL, NULL},
	{"load_balancer", "message", STRING, false, NULL, NULL, NULL},
};

/* Of each of these an object has at least one. */
static const struct {
	const char *object, *names[10];
} constraints[] = {
	{"network_endpoint",
	 {"ip", "uid", "name", "hostname", "svc_name", "instance_uid", "interface_uid", "interface_name"}},
	{"product", {"name", "uid"}},
	{"managed_entity", {"name", "uid"}},
	{"actor", {"process", "user", "invoked_by", "session", "app_name", "app_uid"}},
	{"user", {"account", "name", "uid"}},
	{"process", {"pid", "uid"}},
	{"policy", {"name", "uid"}},
	{"firewall_rule", {"name", "uid"}},
	{"load_balancer", {"name", "uid"}},
	{"location", {"city", "country", "postal_code", "region"}},
};

#endif
