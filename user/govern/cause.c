// SPDX-License-Identifier: GPL-2.0-only
#include "govern/cause.h"

#include <stdio.h>
#include <string.h>

#include <openssl/x509_vfy.h>

const char *const cause_words[CAUSE_KINDS] = {
#define X(name, word, number) [CAUSE_##name] = (word),
	CAUSES(X)
#undef X
};

bool cause_equal(struct cause a, struct cause b)
{
	return a.kind == b.kind && a.number == b.number;
}

const char *cause_print(struct cause cause, const char *path, char text[CAUSE_TEXT])
{
	switch (cause.kind) {
	case CAUSE_NONE:
		snprintf(text, CAUSE_TEXT, "answers");
		break;
	case CAUSE_REFUSED:
		snprintf(text, CAUSE_TEXT, "connection refused");
		break;
	case CAUSE_UNREACHABLE:
		snprintf(text, CAUSE_TEXT, "no connection: %s", strerror(cause.number));
		break;
	case CAUSE_TIMEOUT:
		snprintf(text, CAUSE_TEXT, "no answer within %d ms", cause.number);
		break;
	case CAUSE_TLS:
		snprintf(text, CAUSE_TEXT, "TLS handshake failed");
		break;
	case CAUSE_CERTIFICATE:
		snprintf(text, CAUSE_TEXT, "certificate: %s", X509_verify_cert_error_string(cause.number));
		break;
	case CAUSE_CLOSED:
		snprintf(text, CAUSE_TEXT, "connection closed before the answer was complete");
		break;
	case CAUSE_HEAD:
		snprintf(text, CAUSE_TEXT, "an answer whose head has more than %d bytes", cause.number);
		break;
	case CAUSE_BODY:
		snprintf(text, CAUSE_TEXT, "an answer whose body has more than %d bytes", cause.number);
		break;
	case CAUSE_GARBAGE:
		snprintf(text, CAUSE_TEXT, "an answer that is no HTTP/1.1");
		break;
	case CAUSE_STATUS:
		snprintf(text, CAUSE_TEXT, "status %d%s%s", cause.number, path ? " from " : "", path ? path : "");
		break;
	case CAUSE_TYPE:
		snprintf(text, CAUSE_TEXT, "by its Content-Type the answer is no page of metrics");
		break;
	case CAUSE_DOCUMENT:
		snprintf(text, CAUSE_TEXT, "the answer is no JSON");
		break;
	case CAUSE_POINTER:
		snprintf(text, CAUSE_TEXT, "the answer has nothing where it was looked for");
		break;
	case CAUSE_REPLY:
		snprintf(text, CAUSE_TEXT, "the answer is not what a Prometheus server replies to a query");
		break;
	case CAUSE_NAME:
		snprintf(text, CAUSE_TEXT, "DNS has no such name");
		break;
	case CAUSE_ADDRESS:
		snprintf(text, CAUSE_TEXT, "the name has no address in the families that the policy allows");
		break;
	case CAUSE_RCODE:
		snprintf(text, CAUSE_TEXT, "the name server answers with RCODE %d%s", cause.number,
			 cause.number == 2   ? " (server failure)"
			 : cause.number == 5 ? " (refused)"
					     : "");
		break;
	case CAUSE_SERVERS:
		snprintf(text, CAUSE_TEXT, "no name server takes the question, or each answers with a failure");
		break;
	case CAUSE_ANSWER:
		snprintf(text, CAUSE_TEXT, "what came is no answer of DNS to the question");
		break;
	case CAUSE_PAGE:
		snprintf(text, CAUSE_TEXT, "line %d of the page is no metric", cause.number);
		break;
	case CAUSE_OURS:
	case CAUSE_KINDS:
	default:
		snprintf(text, CAUSE_TEXT, "it could not be asked");
	}
	return text;
}
