// SPDX-License-Identifier: GPL-2.0-only
#include "edge/transfers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/address.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "edge/transfer_cause.h"

#define URL_MAX 4608 /* a query and where it goes */

struct transfer {
	struct transfers *transfers;
	CURL *easy; /* made for its first use, then kept */
	struct curl_slist *headers, *connect_to;
	const struct transfer_owner *owner; /* NULL: it is free */
	uint64_t mark;
	uint32_t timeout_ms;
	uint32_t head, body, body_max; /* bytes */
	uint16_t status;
	bool whole;	    /* the head of the answer is complete */
	bool stopped;	    /* by us, for `cause` */
	struct cause cause; /* CAUSE_NONE: there was enough of it */
	bool lacks_socket;  /* none was to be had */
};

struct transfers {
	CURLM *multi;
	int epoll;
	int64_t due;
	X509_STORE *trusted;
	struct transfer *items;
	uint32_t most, free_count;
	struct transfer **free_items; /* a stack */
};

/* ---- what libcurl asks of us ------------------------------------------------------------------------------------ */

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *socket_context)
{
	const struct transfers *transfers = context;
	struct epoll_event event = {.data.fd = socket};

	(void)easy;
	(void)socket_context;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(transfers->epoll, EPOLL_CTL_DEL, socket, &event);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (!epoll_ctl(transfers->epoll, EPOLL_CTL_MOD, socket, &event))
		return 0;
	return errno == ENOENT && !epoll_ctl(transfers->epoll, EPOLL_CTL_ADD, socket, &event) ? 0 : -1;
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct transfers *transfers = context;

	(void)multi;
	transfers->due = timeout_ms < 0 ? INT64_MAX : clock_monotonic() + timeout_ms * CLOCK_MILLISECOND;
	return 0;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	static const struct linger at_once = {.l_onoff = 1};
	struct transfer *transfer = context;
	int file = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	(void)purpose;
	if (file < 0) {
		transfer->lacks_socket = true;
		return CURL_SOCKET_BAD;
	}
	setsockopt(file, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return file;
}

static CURLcode set_trust(CURL *easy, void *context, void *owner)
{
	const struct transfer *transfer = owner;

	(void)easy;
	SSL_CTX_set1_cert_store(context, transfer->transfers->trusted);
	return CURLE_OK;
}

/* Any other number of bytes than came makes libcurl end the transfer. */
static size_t stop(struct transfer *transfer, enum cause_kind kind, uint32_t number)
{
	transfer->stopped = true;
	transfer->cause = (struct cause){kind, (int32_t)number};
	return 0;
}

static bool wants_body(const struct transfer *transfer)
{
	const struct transfer_owner *owner = transfer->owner;
	char *type = NULL;

	if (!transfer->body_max || !owner->head)
		return transfer->body_max;
	curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
	return owner->head(owner->context, transfer->mark, transfer->status, type);
}

/* A line of the head, its end included; those of trailers as well. */
static size_t take_head(char *bytes, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	size_t length = size * count;
	long status = 0;

	if (length > TRANSFER_HEAD_MAX - transfer->head)
		return stop(transfer, CAUSE_HEAD, TRANSFER_HEAD_MAX);
	transfer->head += (uint32_t)length;
	if (transfer->whole || strspn(bytes, "\r\n") < length)
		return length;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200) /* an interim answer: another one follows */
		return length;
	transfer->whole = true;
	transfer->status = (uint16_t)status;
	return wants_body(transfer) ? length : stop(transfer, CAUSE_NONE, 0);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	size_t length = size * count;

	if (length > transfer->body_max - transfer->body)
		return stop(transfer, CAUSE_BODY, transfer->body_max);
	transfer->body += (uint32_t)length;
	return transfer->owner->body(transfer->owner->context, transfer->mark, bytes, length)
		       ? length
		       : stop(transfer, CAUSE_NONE, 0);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static X509_STORE *load_trust(const char *ca_file)
{
	X509_STORE *store = X509_STORE_new();

	if (!store)
		return NULL;
	X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	if (!X509_STORE_load_file(store, ca_file))
		log_warning("no certificate of an authority can be read from %s: https with a certificate to be "
			    "verified fails",
			    ca_file);
	ERR_clear_error();
	return store;
}

int transfers_new(uint32_t most, uint32_t kept, const char *ca_file, struct transfers **ret_transfers)
{
	struct transfers *transfers;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return -ENOMEM;
	transfers = calloc(1, sizeof(*transfers));
	if (!transfers) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	*transfers = (struct transfers){.most = most, .due = INT64_MAX};
	transfers->epoll = epoll_create1(EPOLL_CLOEXEC);
	transfers->items = calloc(most, sizeof(*transfers->items));
	transfers->free_items = calloc(most, sizeof(struct transfer *));
	transfers->trusted = load_trust(ca_file);
	transfers->multi = curl_multi_init();
	if (transfers->epoll < 0 || !transfers->items || !transfers->free_items || !transfers->trusted ||
	    !transfers->multi) {
		transfers_free(transfers);
		return -ENOMEM;
	}
	for (uint32_t i = most; i-- > 0;) {
		transfers->items[i].transfers = transfers;
		transfers->free_items[transfers->free_count++] = &transfers->items[i];
	}
	curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
	curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long)most + kept);
	*ret_transfers = transfers;
	return 0;
}

static void release(struct transfer *transfer)
{
	struct transfers *transfers = transfer->transfers;

	curl_multi_remove_handle(transfers->multi, transfer->easy);
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->connect_to);
	transfer->headers = transfer->connect_to = NULL;
	transfer->owner = NULL;
	transfers->free_items[transfers->free_count++] = transfer;
}

void transfers_free(struct transfers *transfers)
{
	if (!transfers)
		return;
	for (uint32_t i = 0; transfers->items && i < transfers->most; i++) {
		if (transfers->items[i].owner)
			release(&transfers->items[i]);
		curl_easy_cleanup(transfers->items[i].easy);
	}
	curl_multi_cleanup(transfers->multi);
	X509_STORE_free(transfers->trusted);
	if (transfers->epoll >= 0)
		close(transfers->epoll);
	free(transfers->items);
	free(transfers->free_items);
	free(transfers);
	curl_global_cleanup();
}

int transfers_fd(const struct transfers *transfers)
{
	return transfers->epoll;
}

int64_t transfers_due(const struct transfers *transfers)
{
	return transfers->due;
}

/* ---- a transfer -------------------------------------------------------------------------------------------------- */

/* What all transfers have in common. */
static CURL *make_easy(struct transfer *transfer)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* none, whatever the environment says */
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "usher");
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	/* Whom to trust is in memory. A session that is resumed would not be verified again. */
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_trust);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, transfer);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	return easy;
}

/* Where it goes: the name, if there is one, is never looked up. */
static int set_place(struct transfer *transfer, const struct transfer_request *request)
{
	char url[URL_MAX], place[ENDPOINT_TEXT], text[URL_MAX];

	endpoint_print(&request->address, request->port, place);
	if (request->host[0])
		snprintf(text, sizeof(text), "%s:%u", request->host, request->port);
	else
		snprintf(text, sizeof(text), "%s", place);
	if ((size_t)snprintf(url, sizeof(url), "%s://%s%s", request->tls ? "https" : "http", text, request->path) >=
	    sizeof(url))
		return -ENAMETOOLONG;
	if (curl_easy_setopt(transfer->easy, CURLOPT_URL, url))
		return -ENOMEM;
	if (request->host[0]) {
		snprintf(text, sizeof(text), "::%s", place);
		transfer->connect_to = curl_slist_append(NULL, text);
		snprintf(text, sizeof(text), "Host: %s", request->host);
		transfer->headers = curl_slist_append(NULL, text);
		if (!transfer->connect_to || !transfer->headers)
			return -ENOMEM;
	}
	curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
	return 0;
}

int transfers_begin(struct transfers *transfers, const struct transfer_request *request,
		    const struct transfer_owner *owner, uint64_t mark, struct transfer **ret_transfer)
{
	struct transfer *transfer;
	CURL *easy;
	int error;

	if (!transfers->free_count)
		return -EBUSY;
	transfer = transfers->free_items[transfers->free_count - 1];
	easy = transfer->easy ? transfer->easy : make_easy(transfer);
	if (!easy)
		return -ENOMEM;
	*transfer = (struct transfer){.transfers = transfers,
				      .easy = easy,
				      .owner = owner,
				      .mark = mark,
				      .timeout_ms = request->timeout_ms,
				      .body_max = request->body_max};
	transfers->free_count--;
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, (long)request->verify);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, request->verify ? 2L : 0L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)!request->keep);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, (long)!request->keep);
	error = set_place(transfer, request);
	if (!error && curl_multi_add_handle(transfers->multi, easy))
		error = -ENOMEM;
	if (error) {
		release(transfer);
		return error;
	}
	*ret_transfer = transfer;
	return 0;
}

void transfer_mark(struct transfer *transfer, uint64_t mark)
{
	transfer->mark = mark;
}

void transfer_end(struct transfer *transfer)
{
	release(transfer);
}

static struct cause cause_of(const struct transfer *transfer, CURLcode code)
{
	const struct transfer_end end = {
		.timeout_ms = transfer->timeout_ms, .whole = transfer->whole, .lacks_socket = transfer->lacks_socket};

	return transfer->stopped ? transfer->cause : transfer_cause(transfer->easy, code, &end);
}

static void finish(CURL *easy, CURLcode code)
{
	const struct transfer_owner *owner;
	struct transfer_result result;
	struct transfer *transfer;
	uint64_t mark;
	char *private = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
	transfer = (struct transfer *)(void *)private;
	result = (struct transfer_result){.cause = cause_of(transfer, code), .status = transfer->status};
	owner = transfer->owner;
	mark = transfer->mark;
	release(transfer);
	owner->done(owner->context, mark, &result);
}

void transfers_run(struct transfers *transfers)
{
	struct epoll_event events[64];
	int count = epoll_wait(transfers->epoll, events, ARRAY_COUNT(events), 0), running, left;
	const CURLMsg *message;

	for (int i = 0; i < count; i++) {
		int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

		curl_multi_socket_action(transfers->multi, events[i].data.fd, what, &running);
	}
	if (transfers->due <= clock_monotonic()) {
		transfers->due = INT64_MAX; /* unless libcurl says otherwise */
		curl_multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	while ((message = curl_multi_info_read(transfers->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			finish(message->easy_handle, message->data.result);
}
