// SPDX-License-Identifier: GPL-2.0-only
#include "edge/transfer_cause.h"

#include <errno.h>

#include <openssl/x509_vfy.h>

#include "edge/transfers.h"

static struct cause connect_cause(CURL *easy, const struct transfer_end *end)
{
	long error = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
	if (end->lacks_socket || error == EADDRNOTAVAIL || error == EAGAIN)
		return (struct cause){CAUSE_OURS, 0};
	if (error == ETIMEDOUT)
		return (struct cause){CAUSE_TIMEOUT, (int32_t)end->timeout_ms};
	return (struct cause){error == ECONNREFUSED ? CAUSE_REFUSED : CAUSE_UNREACHABLE, (int32_t)error};
}

/* The chain is verified by OpenSSL, and the name compared by libcurl: then no result of a verification is there yet. */
static struct cause certificate_cause(CURL *easy)
{
	long error = X509_V_OK;

	curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &error);
	if (error == X509_V_OK || error == X509_V_ERR_UNSPECIFIED)
		error = X509_V_ERR_HOSTNAME_MISMATCH;
	return (struct cause){CAUSE_CERTIFICATE, (int32_t)error};
}

/* A line of a head that is too long for libcurl's own memory ends like a want of it. */
static struct cause memory_cause(CURL *easy)
{
	curl_off_t first_byte = 0;

	curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte);
	return first_byte ? (struct cause){CAUSE_HEAD, TRANSFER_HEAD_MAX} : (struct cause){CAUSE_OURS, 0};
}

struct cause transfer_cause(CURL *easy, CURLcode code, const struct transfer_end *end)
{
	switch ((int)code) {
	case CURLE_OK: /* also when it is closed in the middle of a head */
		return (struct cause){end->whole ? CAUSE_NONE : CAUSE_CLOSED, 0};
	case CURLE_COULDNT_CONNECT:
		return connect_cause(easy, end);
	case CURLE_OPERATION_TIMEDOUT:
		return (struct cause){CAUSE_TIMEOUT, (int32_t)end->timeout_ms};
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_cause(easy);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return (struct cause){CAUSE_TLS, (int32_t)code};
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return (struct cause){CAUSE_CLOSED, 0};
	case CURLE_OUT_OF_MEMORY:
		return memory_cause(easy);
	case CURLE_FAILED_INIT:
		return (struct cause){CAUSE_OURS, 0};
	default:
		return (struct cause){CAUSE_GARBAGE, (int32_t)code};
	}
}
