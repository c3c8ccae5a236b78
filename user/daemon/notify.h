/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells the service manager that started us, if one did, how far we are: sd_notify(3)'s datagram. */
#ifndef USHER_DAEMON_NOTIFY_H
#define USHER_DAEMON_NOTIFY_H

/* state: for example "READY=1". Returns 0, also when nobody wants to know, or -errno. */
int notify_manager(const char *state);

#endif
