// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/server.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/request.h"
#include "policy/bundle.h"

#define CLIENTS_MAX 16
#define SILENCE_MAX (10 * CLOCK_SECOND)
#define SEND_TIMEOUT_S 5

struct client {
	int socket; /* -1: free */
	struct record_actor actor;
	char user[64];
	int64_t last;
};

struct server {
	struct core *core;
	int epoll, socket;
	char *path;
	struct client clients[CLIENTS_MAX];
};

static void hang_up(struct client *client)
{
	close(client->socket);
	client->socket = -1;
}

void server_close(struct server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (server->clients[i].socket >= 0)
			hang_up(&server->clients[i]);
	if (server->socket >= 0) {
		close(server->socket);
		unlink(server->path);
	}
	free(server->path);
	free(server);
}

static void cleanup_server(struct server **server)
{
	server_close(*server);
}

/* ---- listening ------------------------------------------------------------------------------------------------ */

/* Is somebody listening there? A socket that nobody listens at was left by a daemon that was killed. */
static bool is_alive(const struct sockaddr_un *address)
{
	_cleanup_close_ int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return probe >= 0 && (!connect(probe, (const struct sockaddr *)address, sizeof(*address)) || errno == EAGAIN);
}

static void make_folder(const char *path)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!slash || slash == folder)
		return;
	*slash = '\0';
	mkdir(folder, 0755); /* if that cannot be done, the bind says why */
}

static int listen_at(struct server *server, const char *path, struct problem *problem)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct group *group = getgrnam(PROTOCOL_GROUP);
	mode_t mask;
	int error;

	if (strlen(path) >= sizeof(address.sun_path))
		return problem_set(problem, -ENAMETOOLONG, "the path of the control socket is too long: %s", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	make_folder(path);
	if (is_alive(&address))
		return problem_set(problem, -EADDRINUSE, "another daemon listens at %s", path);
	unlink(path);
	server->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->socket < 0)
		return problem_set(problem, -errno, "cannot make the control socket: %s", strerror(errno));
	mask = umask(0117);
	error = bind(server->socket, (const struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	if (!error && group && chown(path, (uid_t)-1, group->gr_gid))
		error = -errno;
	if (!error && (chmod(path, 0660) || listen(server->socket, CLIENTS_MAX)))
		error = -errno;
	if (error)
		return problem_set(problem, error, "cannot listen at %s: %s", path, strerror(-error));
	return 0;
}

int server_open(const char *path, struct core *core, int epoll, struct problem *problem, struct server **ret_server)
{
	_cleanup_(cleanup_server) struct server *server = calloc(1, sizeof(*server));
	struct epoll_event event = {.events = EPOLLIN};
	int error;

	if (!server)
		return problem_set(problem, -ENOMEM, "no memory");
	server->core = core;
	server->epoll = epoll;
	server->socket = -1;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		server->clients[i].socket = -1;
	server->path = strdup(path);
	if (!server->path)
		return problem_set(problem, -ENOMEM, "no memory");
	error = listen_at(server, path, problem);
	if (error)
		return error;
	event.data.ptr = server;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, server->socket, &event))
		return problem_set(problem, -errno, "cannot watch the control socket: %s", strerror(errno));
	*ret_server = TAKE_PTR(server);
	return 0;
}

/* ---- clients -------------------------------------------------------------------------------------------------- */

static void turn_away(int socket, const char *why)
{
	struct json_object *frame = json_object_new_object();

	json_object_object_add(frame, "status", json_object_new_int(PROTOCOL_FAILED));
	json_object_object_add(frame, "error", json_object_new_string(why));
	protocol_send(socket, frame, NULL, 0);
	json_object_put(frame);
}

static struct client *free_client(struct server *server)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (server->clients[i].socket < 0)
			return &server->clients[i];
	return NULL;
}

static void greet(struct server *server)
{
	_cleanup_close_ int socket = accept4(server->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client = free_client(server);
	struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	struct ucred who;
	socklen_t length = sizeof(who);
	const struct passwd *user;

	if (socket < 0)
		return;
	if (!client) {
		turn_away(socket, "too many clients at once; try again");
		return;
	}
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &length) ||
	    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    epoll_ctl(server->epoll, EPOLL_CTL_ADD, socket, &event))
		return;
	user = getpwuid(who.uid);
	client->user[0] = '\0';
	if (user)
		strncpy(client->user, user->pw_name, sizeof(client->user) - 1);
	client->actor = (struct record_actor){who.uid, who.pid, user ? client->user : NULL};
	client->last = clock_monotonic();
	client->socket = TAKE_FD(socket);
}

static const char *complaint(int error)
{
	switch (error) {
	case -EBADMSG:
		return "that is not a JSON object";
	case -EMSGSIZE:
		return "that is too large";
	case -EPERM:
		return "the body is not a sealed memory file";
	default:
		return strerror(-error);
	}
}

static void listen_to(struct server *server, struct client *client)
{
	struct request request = {.actor = client->actor, .socket = client->socket};
	int error = protocol_receive(client->socket, BUNDLE_BYTES_MAX, &request.frame, &request.body);

	if (error == -EAGAIN)
		return;
	client->last = clock_monotonic();
	if (error) {
		if (error != -ENOTCONN)
			turn_away(client->socket, complaint(error));
		hang_up(client);
		return;
	}
	error = request_serve(server->core, &request);
	json_object_put(request.frame);
	protocol_body_release(&request.body);
	if (error)
		hang_up(client);
}

bool server_ready(struct server *server, const void *pointer)
{
	if (pointer == server) {
		greet(server);
		return true;
	}
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		if (pointer != &server->clients[i])
			continue;
		if (server->clients[i].socket >= 0)
			listen_to(server, &server->clients[i]);
		return true;
	}
	return false;
}

void server_tick(struct server *server, int64_t now)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (server->clients[i].socket >= 0 && now - server->clients[i].last > SILENCE_MAX)
			hang_up(&server->clients[i]);
}
