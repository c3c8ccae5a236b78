/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines on standard error, for daemon/, edge/ and cli/ alone. With systemd behind it, each line bears its priority. */
#ifndef USHER_BASE_LOG_H
#define USHER_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 }; /* as syslog(3) numbers them */

/* Before the first line: what every line begins with. */
void log_name(const char *name);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
